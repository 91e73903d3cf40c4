"""Fits of curves: their data, parameters by name, the model; errors, intervals and the report of what came out."""
