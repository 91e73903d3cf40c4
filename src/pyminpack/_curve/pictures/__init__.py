"""Pictures of a fit, by matplotlib, which is imported where one is asked for. Figures are returned, none is shown."""
