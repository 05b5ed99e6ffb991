"""Transforms blocks in worker processes, or in the main process.

A worker is a process with a pipe in each direction. `frames` defines the messages, `process` runs
in the worker, and `pool` keeps several workers busy and returns their results in order. Few runs
need `pool`, so it is not imported here.
"""

from miso_upload.pipeline.workers.in_process import InProcess, transformer_of, worker_count

__all__ = ["InProcess", "transformer_of", "worker_count"]
