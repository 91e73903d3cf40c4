"""Many fits of one model at once: its calls for many fits by broadcasting, the pool in which fits advance, single fits.

The arithmetic and all decisions are in `minpack/many`, the fit's number fastest in memory. Here is what calls the model,
and what fills the pool with fits and takes those out that have ended.
"""
