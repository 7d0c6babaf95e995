"""Whether an entry of the catalogue is what it says, and can be trained in a stack, asked before it is trained."""
