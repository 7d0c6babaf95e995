"""What the process from which workers are forked imports before the first: torch and the training loop."""

import gc
import importlib

gc.disable()  # importing torch takes a tenth longer while garbage is collected, and leaves none
importlib.import_module("actbench.training.loop")
gc.freeze()  # nor are its objects visited in the workers
gc.enable()
