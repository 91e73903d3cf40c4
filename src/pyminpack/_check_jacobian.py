"""Whether a Jacobian goes with its residuals, entry by entry."""
