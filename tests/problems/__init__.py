"""Test problems: one table for the tests and the benchmarks alike."""
