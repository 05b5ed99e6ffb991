"""The Python API: calls of the pipeline whose messages name settings instead of options."""
