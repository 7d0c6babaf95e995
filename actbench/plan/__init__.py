"""From an experiment to its trials: ids, tuning, stacks, shards, looks. Pure."""
