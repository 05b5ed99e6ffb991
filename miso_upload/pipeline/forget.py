"""Taking sources out of the ledgers, so that their records are sent again."""

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
    """A source that a ledger knows.

    Attributes:
        source: Its id in that ledger.
        totals: The outcomes of its rows, over all runs.
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
    """Return the sources at these paths, or with their content, that ledgers know.

    Raises:
        SourceError: Nothing is known of one of the names.
        LockedError: A run is at work on a ledger of version 0.1.
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
            f"{', '.join(map(shown_name, unknown))}: nothing is known of it{at}, and nothing was "
            "forgotten; 'miso-upload status' lists what is known"
        )
    return list(found.values())


def forget(found: Iterable[Found]) -> int:
    """Forget sources; return how many there were.

    Raises:
        ConfigurationError: The state directory is on a network file system.
        LockedError: A run is at work on the target of one. Then none is forgotten there.
        IncompleteLedgerError: A ledger is a copy without its `-wal`.
    """
    forgotten = 0
    by_ledger: dict[Path, set[int]] = {}
    for each in found:
        by_ledger.setdefault(each.ledger, set()).add(each.source)
    for path, sources in by_ledger.items():
        refuse_network(path.parent)
        with Locked(path), closing(Ledger(path)) as ledger:
            ledger.begin_work({})
            # A run that ended meanwhile may have read one of them again.
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
