"""Benchmarks of actbench beside its alternatives: `python -m benchmarks --help`."""
