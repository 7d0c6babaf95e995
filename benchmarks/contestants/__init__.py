"""One file for each contestant; `python -m benchmarks.contestants NAME` measures one and prints a line of JSON."""
