"""Measures the CPU time per row of the transform, with and without content keys.

    python benchmarks/content_keys.py [ROWS] [REPEATS]

Neither includes the checksum of each block.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

import inputs

from miso_upload import Settings
from miso_upload.pipeline.job import Job
from miso_upload.sources import ReadingOptions, Source
from miso_upload.transform import block as transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miso_upload.records import Batch, Block

SECRET = bytes(32)


def prepared(folder: Path, rows: int) -> Iterator[tuple[str, Path, Settings]]:
    """Yield a name, an input and the settings for it."""
    mapping = folder / "mapping.toml"
    mapping.write_text(inputs.MAPPING)
    routes = folder / "routes.toml"
    routes.write_text(inputs.ROUTES)
    yield "jsonl", inputs.write_jsonl(folder / "a.jsonl", rows), Settings.of(inputs=())
    offset = folder / "offset.jsonl"
    text = (folder / "a.jsonl").read_text().replace('Z", "user_id"', '+01:00", "user_id"')
    offset.write_text(text)
    yield "jsonl, +01:00", offset, Settings.of(inputs=())
    yield (
        "csv",
        inputs.write_csv(folder / "b.csv", rows),
        Settings.of(inputs=(), mapping=str(mapping)),
    )
    yield (
        "log",
        inputs.write_log(folder / "c.log", rows),
        Settings.of(inputs=(), mapping=str(routes)),
    )


def seconds(work: Callable[[Block], Batch], blocks: list[Block]) -> float:
    """Return the CPU time for transforming all blocks."""
    gc.collect()
    started = process_time()
    for block in blocks:
        work(block)
    return process_time() - started


def main(rows: int = 60_000, repeats: int = 9) -> None:
    """Print a line for each kind of input."""
    transform.checksum = lambda _: b""
    with tempfile.TemporaryDirectory() as folder:
        for name, path, settings in prepared(Path(folder), rows):
            with Source(str(path), ReadingOptions()) as source:
                blocks = list(source.blocks(0, 1))
                without, keyed = (
                    Job(settings, secret).transform(source) for secret in (None, SECRET)
                )
                records = sum(len(keyed(block).keys) for block in blocks)
                pairs = [(seconds(without, blocks), seconds(keyed, blocks)) for _ in range(repeats)]
            before, after = (median(each) / rows * 1e6 for each in zip(*pairs, strict=True))
            print(
                f"{name:14} {records:,} records of {rows:,} rows; us/row without {before:.2f}, "
                f"with {after:.2f}, net {median(b - a for a, b in pairs) / rows * 1e6:+.2f} "
                f"({(after - before) * rows / records:+.2f} a record)"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
