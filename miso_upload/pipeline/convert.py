"""Converts inputs to a file of records, without a key, a ledger or a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.delivery.record_file import STDOUT
from miso_upload.errors import ConfigurationError
from miso_upload.pipeline.run import upload
from miso_upload.pipeline.settings import Settings
from miso_upload.values.input_names import REJECTS_SUFFIX

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.report.listener import Listener
    from miso_upload.report.summary import Summary


def convert(
    settings: Settings | str | Iterable[str],
    output: str | os.PathLike[str],
    listener: Listener | None = None,
    *,
    force: bool = False,
    stop: StopSignal | None = None,
    **options: Any,  # noqa: ANN401 -- any option's value
) -> Summary:
    """Map and validate the inputs, and write their records to a file, one JSON object a line.

    `miso_upload.convert` describes the arguments, the errors and the file.
    """
    settings = settings if isinstance(settings, Settings) else Settings.of(settings)
    name = str(output)
    rejects = settings.but(**options).output.rejects
    made = [name]
    if name != STDOUT and rejects is None:
        rejects = name + REJECTS_SUFFIX
        made.append(rejects)
    for each in made if not force else ():
        _refuse_existing(each)
    return upload(
        settings, listener, stop=stop,
        **{**options, "dry_run": True, "convert_to": name, "rejects": rejects},
    )  # fmt: skip


def _refuse_existing(name: str) -> None:
    path = Path(name)
    if name != STDOUT and path.is_file():
        raise ConfigurationError(
            f"{name}: this file exists; name another file, or replace it with --force"
        )
