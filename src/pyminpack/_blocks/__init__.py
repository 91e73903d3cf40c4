"""Fits whose residuals come in blocks: the passes over them, and the loop round these."""
