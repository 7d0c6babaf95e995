"""Everything that is done with a result folder: fill it, watch it, forecast it, merge shards, verify it."""
