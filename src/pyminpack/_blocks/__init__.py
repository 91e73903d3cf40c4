"""Fits whose residuals come in blocks: passes over the blocks, and the iteration that asks for them."""
