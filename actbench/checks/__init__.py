"""Checks of a function without training: is it what it claims, is it safe in a stack, what does it cost."""
