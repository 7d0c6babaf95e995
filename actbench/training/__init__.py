"""How a stack of trials trains as one batched network."""
