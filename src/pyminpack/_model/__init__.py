"""What is fitted: parameters, options, the user's functions, losses."""
