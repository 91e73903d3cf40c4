"""Profiles of one parameter, and joint regions of two, by fits of the others."""
