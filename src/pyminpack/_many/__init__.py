"""Many fits of one model at once: the pool in which they advance together, and what fills and empties it.

The arithmetic and all decisions are in `minpack/many`, the fit's number fastest in memory. Here is what calls the
model, gives fits their places, takes those out that have ended, and makes those one by one that need more.
"""
