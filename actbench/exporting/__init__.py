"""Results in the formats of other tools; each of their libraries is an extra of its own."""
