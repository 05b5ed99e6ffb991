"""What is different about the options under which a source is read again, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.values.display import counted

if TYPE_CHECKING:
    from miso_upload.ledger import Scan

_BY_CONTENT = {
    "--mapping": "the mapping file or preset",
    "--transform": "the code of --transform",
    "--schema": "the schema",
    "identity": "how an anonymous_id is made (salt, source, proxies)",
}
"""What a job fingerprint has as a hash, which says nothing to a person."""


def changed_options(before: str, now: str) -> str:
    """Return what differs between two job fingerprints, in the words of the options."""
    old = dict(line.partition("=")[::2] for line in before.splitlines())
    new = dict(line.partition("=")[::2] for line in now.splitlines())
    changes = [
        _change(name, old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    return "; ".join(changes)


def changed_job(
    name: str, scan: Scan, job: str, rows: int, known: int | None = None, *,
    can_continue: bool = True,
) -> str:  # fmt: skip
    """Return what to say of a source whose rows were sent under other options, and each way out."""
    seen = (
        f"{counted(rows, 'row was', 'rows were')} read under other options"
        if known is None
        else f"its rows were sent under other options, and of the first {rows:,} records that can "
        f"be compared, Miso has {known:,} as they come out now"
    )
    ways = (
        "or add --changed-mapping continue, which leaves what was read as it is and goes on behind "
        "it; or --changed-mapping send, which"
        if can_continue
        # What was read is not in the input as it was, so there is nothing to go on behind.
        else "or add --changed-mapping send, which"
    )
    changes = changed_options(scan.job, job) or "an earlier run had --changed-mapping continue"
    return (
        f"{name}: {seen}. {_sentence(changes)}. Nothing of it was sent. "
        f"Use the same options again; {ways} sends every record that comes out differently beside "
        "the one that Miso has"
    )


def _change(name: str, before: str | None, now: str | None) -> str:
    if name not in _BY_CONTENT:
        return f"{name}: {before or 'nothing'}, now {now or 'nothing'}"
    what = "is new" if not before else "has changed" if now else "is gone"
    return f"{_BY_CONTENT[name]} {what}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if not text.startswith("--") else text
