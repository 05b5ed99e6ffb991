"""What is fuzzed: a module for each kind of input.

Each has `one_input`, which takes any bytes and raises where a promise is broken; `SPECIMENS`, short
inputs to begin with, which nobody but us wrote; and `TOKENS`, pieces of which inputs are made.
"""
