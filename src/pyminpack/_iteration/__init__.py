"""How a fit goes on."""
