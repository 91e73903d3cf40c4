"""Where Jacobians come from, how they are factored, and whether they are right."""
