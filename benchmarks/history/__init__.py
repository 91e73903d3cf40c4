"""Benchmarks over the commits, by asv."""
