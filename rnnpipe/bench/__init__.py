"""Benchmarks: each function yields measurements; ratios are between things measured in the same run."""
