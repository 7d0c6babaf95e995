"""The nouns of an experiment: settings, choices, layers, arms, claims, records, metrics."""
