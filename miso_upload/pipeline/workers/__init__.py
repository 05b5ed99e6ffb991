"""Transforming blocks in worker processes, or in this one.

A worker is a process of its own with a pipe in each direction; `frames` says what goes through
them, `process` is what runs in it, `pool` keeps several of them busy and their results in order.
Few runs need `pool`, so it is not imported here.
"""

from miso_upload.pipeline.workers.in_process import InProcess, transforms_of, worker_count

__all__ = ["InProcess", "transforms_of", "worker_count"]
