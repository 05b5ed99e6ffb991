"""The fuzz targets: a module for each kind of input.

Each has `one_input`, which takes any bytes and raises an error if they break a promise;
`SPECIMENS`, short inputs to start with, which we wrote ourselves; and `TOKENS`, parts of inputs.
"""
