"""Numbers in, numbers out: exact tests, intervals, corrections for many comparisons, power. Knows no experiment."""
