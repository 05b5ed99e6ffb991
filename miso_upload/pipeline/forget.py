"""Removes sources from the ledgers, so that the next upload sends their records again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import SourceError
from miso_upload.ledger import Ledger
from miso_upload.ledger.lock import Locked
from miso_upload.ledger.state_directory import ledger_paths, refuse_network
from miso_upload.pipeline.status import matching, opened
from miso_upload.values.input_names import shown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from miso_upload.records.totals import Totals
    from miso_upload.sources import ReadingOptions


class Found(NamedTuple):
    """A source in a ledger.

    Attributes:
        ledger: The path of the ledger.
        source: The source's id in that ledger.
        totals: The totals of its rows, over all runs.
    """

    ledger: Path
    source: int
    name: str
    server: str
    target: str
    totals: Totals


def found_to_forget(
    state_dir: Path, names: Sequence[str], options: ReadingOptions, target: str | None
) -> list[Found]:
    """Return the sources in the ledgers that have these paths, or the content at these paths.

    Raises:
        SourceError: No ledger has a source for one of the names.
        LockedError: A run is using a ledger of version 0.1.
    """
    found: dict[tuple[Path, int], Found] = {}
    unknown = dict.fromkeys(names)
    for path in ledger_paths(state_dir):
        with closing(opened(path)) as ledger:
            if target is not None and ledger.about().get("target") != target:
                continue
            for name in names:
                for each in _found(path, ledger, name, options):
                    found[path, each.source] = each
                    unknown.pop(name, None)
    if unknown:
        at = f" at the target {target}" if target is not None else ""
        raise SourceError(
            f"{', '.join(map(shown_name, unknown))}: no uploaded source has this name{at}. Nothing "
            "was forgotten. To list all sources, run 'miso-upload status'"
        )
    return list(found.values())


def forget(found: Iterable[Found]) -> int:
    """Forget sources and return their number.

    Raises:
        ConfigurationError: The state directory is on a network file system.
        LockedError: A run is using the target of a source; no source of that target is forgotten.
        IncompleteLedgerError: A ledger has lost its `-wal` file.
    """
    forgotten = 0
    by_ledger: dict[Path, set[int]] = {}
    for each in found:
        by_ledger.setdefault(each.ledger, set()).add(each.source)
    for path, sources in by_ledger.items():
        refuse_network(path.parent)
        with Locked(path), closing(Ledger(path)) as ledger:
            ledger.begin_work({})
            # A run that ended in the meantime may have started a new scan of one of them.
            scans = [scan for scan in ledger.scans.all() if scan.source_id in sources]
            ledger.forget(scans)
            forgotten += len(scans)
    return forgotten


def _found(path: Path, ledger: Ledger, name: str, options: ReadingOptions) -> Iterable[Found]:
    about = ledger.about()
    for scan in matching(ledger, [name], options):
        yield Found(
            path, scan.source_id, scan.name, about.get("server", "?"), about.get("target", "?"),
            ledger.totals(scan),
        )  # fmt: skip
