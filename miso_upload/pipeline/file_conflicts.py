"""Refuses a run that would read and write one file, or write it for two purposes.

`--report history.jsonl` would replace the history. So before a run opens any file, it compares all
files that it uses with each other, by identity instead of by name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.delivery.record_file import STDOUT
from miso_upload.errors import ConfigurationError
from miso_upload.ledger.rejects_file import rejects_path
from miso_upload.values.file_identity import Identity, identity_of, identity_of_descriptor
from miso_upload.values.input_names import REJECTS_SUFFIX, STDIN, is_remote, shown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.pipeline.settings import Settings

_CORRECTED = "save corrected rows in a separate file, or name another file with --rejects"


class FileUse(NamedTuple):
    """One use of a file by a run.

    Attributes:
        role: The role of the file, such as "an input" or "--report".
        path: The file.
        written: Whether the run writes it.
        remedy: What the user can do about a second use of the file.
    """

    role: str
    path: str
    written: bool = False
    remedy: str = ""


def refuse_shared_files(uses: Iterable[FileUse]) -> None:
    """Refuse two uses of one file if one of them writes the file.

    Raises:
        ConfigurationError: There are two such uses.
    """
    seen: dict[Identity, FileUse] = {}
    for use in uses:
        identity = _identity_of(use)
        other = use if identity is None else seen.setdefault(identity, use)
        if (other.written or use.written) and _key(other) != _key(use):
            raise ConfigurationError(_refusal(other, use))


def files_of(settings: Settings, inputs: Iterable[str]) -> Iterator[FileUse]:
    """Yield the files of a run other than its ledger: inputs, option files and results."""
    # Rejects files are not inputs, even if the pattern `*.jsonl` matches them.
    names = [name for name in inputs if not name.endswith(REJECTS_SUFFIX)]
    for name in names:
        if not is_remote(name):
            yield FileUse("an input", name, remedy="leave out the input")
    yield from own_files_of(settings)
    if settings.output.rejects is None and settings.persistent:
        for name in filter(_is_file_name, names):
            path = str(rejects_path(shown_name(name)))
            yield FileUse("the rejects file", path, written=True, remedy=_CORRECTED)


def _is_file_name(name: str) -> bool:
    """Return whether a name can be a file name, unlike `.` and `..`."""
    return is_remote(name) or Path(name).name not in ("", "..")


def own_files_of(settings: Settings) -> Iterator[FileUse]:
    """Yield the files, other than inputs, that the options name."""
    named = (
        ("the mapping file", settings.mapping.mapping),
        ("--transform", settings.mapping.transform),
        ("--schema", settings.validation.schema),
        ("--api-key-file", settings.delivery.api_key_file),
        ("--anonymous-id-salt-file", settings.identity.anonymous_id_salt_file),
    )
    yield from (FileUse(role, str(path)) for role, path in named if path)
    if settings.output.rejects:
        yield FileUse("--rejects", settings.output.rejects, written=True, remedy=_CORRECTED)
    if settings.output.convert_to not in (None, STDOUT):
        remedy = "name another file with --output"
        yield FileUse("--output", str(settings.output.convert_to), written=True, remedy=remedy)
    if settings.output.report:
        remedy = "name another file with --report"
        yield FileUse("--report", settings.output.report, written=True, remedy=remedy)


def _identity_of(use: FileUse) -> Identity | None:
    return identity_of_descriptor(0) if use.path == STDIN else identity_of(use.path)


def _key(use: FileUse) -> tuple[str, str]:
    return use.role, os.path.abspath(use.path)  # noqa: PTH100 -- keeps links as they are


def _refusal(one: FileUse, other: FileUse) -> str:
    """Return the error for two uses of one file, with the remedy of the use that writes it."""
    writers = [use for use in (other, one) if use.written]
    remedies = [use.remedy for use in (*writers, one, other) if use.remedy]
    remedy = remedies[0] if remedies else "use two different files"
    if _key(one)[1] == _key(other)[1]:
        return f"{other.path}: is both {one.role} and {other.role}; {remedy}"
    shown = "standard input" if one.path == STDIN else one.path
    return f"{other.path} ({other.role}) is the same file as {shown} ({one.role}); {remedy}"
