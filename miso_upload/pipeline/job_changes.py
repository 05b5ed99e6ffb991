"""Describes how the options have changed since an earlier run read a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.values.display import counted

if TYPE_CHECKING:
    from miso_upload.ledger import Scan

_BY_CONTENT = {
    "--mapping": "the mapping file or preset",
    "--transform": "the code of --transform",
    "[rows] each": "which records a row becomes ([rows] each and [[records]])",
    "--schema": "the schema",
    "identity": "the derivation of anonymous_id (salt, source, proxies)",
}
"""Parts that a job fingerprint contains as a hash, by the words for people."""


def changed_options(before: str, now: str) -> str:
    """Return the differences between two job fingerprints, in terms of the options."""
    old, new = _parts(before), _parts(now)
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
    """Return the error for a source whose rows an earlier run sent with other options.

    Args:
        name: The source.
        scan: The earlier scan of it.
        job: The job fingerprint of this run.
        rows: The number of records that were compared, or of rows that were read if none was.
        known: The number of compared records that Miso has; None if none was compared.
        can_continue: Whether the input still contains what was read, so that the run could resume
            after it.
    """
    seen = (
        f"an earlier run read {counted(rows, 'row')} with different options"
        if known is None
        else "the options have changed since its rows were sent, and now produce different records "
        f"(of {counted(rows, 'record')} compared, Miso has {known:,})"
    )
    fixes = ["rerun with the earlier options"]
    if can_continue:
        fixes.append(
            "add --changed-mapping continue to keep the rows already read as they are and upload "
            "the rest"
        )
    fixes.append(
        "add --changed-mapping send to send the changed records in addition to those that Miso has"
    )
    changes = changed_options(scan.job, job) or "an earlier run used --changed-mapping continue"
    return (
        f"{name}: {seen}. {_sentence(changes)}. Nothing was sent from this input. "
        f"Possible fixes: {'; '.join(fixes)}"
    )


def changes_groups(before: str, now: str) -> bool:
    """Return whether two job fingerprints differ in which rows become one record."""
    old, new = _parts(before), _parts(now)
    return old.get(_GROUP_BY) != new.get(_GROUP_BY)


def _parts(job: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in job.splitlines())


_GROUP_BY = "[rows] group_by"


def _change(name: str, before: str | None, now: str | None) -> str:
    if name not in _BY_CONTENT:
        return f"{name} was {before or 'not set'} and is now {now or 'not set'}"
    what = "was added" if not before else "has changed" if now else "was removed"
    return f"{_BY_CONTENT[name]} {what}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if not text.startswith("--") else text
