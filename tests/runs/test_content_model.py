"""A plain model of what Miso must have, beside the real upload, over random histories.

`MISO_UPLOAD_HISTORIES=20000 pytest tests/runs/test_content_model.py` plays many more, which no run
has played before if `MISO_UPLOAD_SEED` is another number.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from miso_upload import Settings, upload
from tests.helpers.histories import play, shortest, steps_of
from tests.helpers.worlds import World, stand_ins

HISTORIES = int(os.environ.pop("MISO_UPLOAD_HISTORIES", "0")) or 150
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
@pytest.mark.parametrize("old", [False, True], ids=["", "version 0.1"])
def test_every_row_of_every_history_is_at_miso_and_none_too_often_unless_counted(portion, old):
    histories = HISTORIES // 3 if old else HISTORIES
    with quick_folder() as folder:
        for seed in range(FIRST + portion, FIRST + histories, PORTIONS):
            steps = steps_of(seed)
            try:
                play(folder / str(seed), seed, steps, old=old)
            except Exception:
                play(folder / "shortest", seed, shortest(folder, seed, steps, old=old), old=old)
                raise
            shutil.rmtree(folder / str(seed))


def order(number, version):
    return {
        "type": "product_detail_page_view",
        "timestamp": f"2024-05-{number + version:02}T10:00:00Z",
        "user_id": f"u{number}",
        "product_ids": [f"version-{version}"],
    }


def expected(rows, known, *, send_changed):
    """Return what becomes of orders, given how many of each version earlier files have sent."""
    used, sent = Counter(), Counter()
    counts = Counter({"accepted": 0, "already_sent": 0, "changed": 0})
    keys = {number for number, _ in known}
    for row in rows:
        if used[row] < known[row]:
            used[row] += 1
            counts["already_sent"] += 1
        elif row[0] in keys and row not in known and not send_changed:
            counts["already_sent"] += 1
            counts["changed"] += 1
        else:
            counts["accepted"] += 1
            sent[row] += 1
    return counts, sent


@pytest.mark.parametrize("seed", range(30))
def test_a_known_key_with_other_content_is_counted_and_sent_only_if_wanted(seed):
    draw, known = Random(seed), Counter()
    with quick_folder() as folder:
        world = World(folder)
        mapping = folder / "orders.toml"
        mapping.write_text('[rows]\nkey = ["user_id"]\n')
        for number in range(5):
            rows = [(draw.randrange(4), draw.randrange(1, 4)) for _ in range(draw.randrange(1, 9))]
            file = folder / f"{number}.jsonl"
            file.write_text("".join(json.dumps(order(*row)) + "\n" for row in rows))
            changed = draw.choice(("leave-out", "leave-out", "send"))
            settings = Settings.of(
                inputs=(str(file),), api_key="k" * 20, server="http://localhost:1", workers=0,
                state_dir=folder / "state", mapping=str(mapping), changed=changed,
                chunk_size=draw.choice((1, 3, 100)),
            )  # fmt: skip
            with stand_ins(world):
                summary = upload(settings)
            counts, sent = expected(rows, known, send_changed=changed == "send")
            known += sent
            totals = summary.totals
            assert summary.stopped_by is None
            assert {name: getattr(totals, name) for name in counts} == counts
            assert sum(world.stored.values()) == sum(known.values())


def test_the_python_interface_is_two_names():
    from miso_upload import Settings, upload

    assert callable(upload)
    assert Settings.of("a.jsonl").resume.already_sent == "leave-out"
