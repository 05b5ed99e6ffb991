"""A plain model of what Miso must have, beside the real upload, over random histories.

`MISO_UPLOAD_HISTORIES=20000 pytest tests/test_content_model.py` plays many more, which no run has
played before if `MISO_UPLOAD_SEED` is another number.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from histories import play, shortest, steps_of

HISTORIES = int(os.environ.pop("MISO_UPLOAD_HISTORIES", "0")) or 300
FIRST = int(os.environ.pop("MISO_UPLOAD_SEED", "0"))
PORTIONS = 10


@contextmanager
def quick_folder():
    """Make a folder in memory where there is such, since a ledger waits for the disk."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_every_row_of_every_history_is_at_miso_and_none_too_often_unless_counted(portion):
    with quick_folder() as folder:
        for seed in range(FIRST + portion, FIRST + HISTORIES, PORTIONS):
            steps = steps_of(seed)
            try:
                play(folder / str(seed), seed, steps)
            except Exception:
                play(folder / "shortest", seed, shortest(folder, seed, steps))
                raise
            shutil.rmtree(folder / str(seed))
