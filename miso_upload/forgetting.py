"""Taking sources out of the ledgers, so that their records are sent again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import SourceError
from miso_upload.inspection import matching, opened
from miso_upload.ledger import Ledger
from miso_upload.locking import Locked
from miso_upload.state import ledger_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from miso_upload.sources import ReadingOptions


class Found(NamedTuple):
    """A source that a ledger knows.

    Attributes:
        rows: How many of its rows are known.
    """

    ledger: Path
    scan: int
    name: str
    server: str
    target: str
    rows: int


def found_to_forget(
    state_dir: Path, names: Sequence[str], options: ReadingOptions, target: str | None
) -> list[Found]:
    """Return the sources at these paths, or with their content, that ledgers know.

    Raises:
        SourceError: None is known.
    """
    found: list[Found] = []
    for path in ledger_paths(state_dir):
        with closing(opened(path)) as ledger:
            about = ledger.about()
            if target is not None and about.get("target") != target:
                continue
            found += [
                Found(
                    path, scan.id, scan.name, about.get("server", "?"), about.get("target", "?"),
                    ledger.totals(scan).rows,
                )
                for scan in matching(ledger, names, options)
            ]  # fmt: skip
    if not found:
        raise SourceError(
            f"{', '.join(names)}: nothing is known of it; 'miso-upload status' lists what is"
        )
    return found


def forget(found: Iterable[Found]) -> int:
    """Forget sources; return how many there were.

    Raises:
        LockedError: A run is at work on the target of one.
    """
    forgotten = 0
    by_ledger: dict[Path, list[int]] = {}
    for each in found:
        by_ledger.setdefault(each.ledger, []).append(each.scan)
    for path, scans in by_ledger.items():
        with Locked(path), closing(Ledger(path)) as ledger:
            ledger.forget([ledger.scans.of(scan) for scan in scans])
            forgotten += len(scans)
    return forgotten
