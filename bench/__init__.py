"""Benchmarks, run by ``make bench``: ratios side by side in one run, CPU time beside wall time."""
