"""What the numbers mean: tables, statistics and comparisons, from records alone and never with torch."""
