"""Benchmarks: scripts that print a table with both sides measured in one run."""
