"""The functions of the Python API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.api.settings import Settings, settings_of
from miso_upload.api.spelling import (
    SpelledListener,
    python_names,
    spell_summary,
    spelled,
    spelled_json,
)
from miso_upload.pipeline import convert as conversion
from miso_upload.pipeline import run
from miso_upload.report import json as report_json
from miso_upload.report import text as report_text
from miso_upload.report.listener import Listener

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from miso_upload.ledger.state_directory import AskForTarget
    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.settings import Inputs
    from miso_upload.pipeline.settings import Settings as AnySettings
    from miso_upload.report.summary import Summary


def upload(
    settings: AnySettings | Inputs = (),
    listener: Listener | None = None,
    *,
    records: Iterable[Any] | None = None,
    name: str = "records",
    stop: StopSignal | None = None,
    ask: AskForTarget | None = None,
    **options: Any,  # noqa: ANN401 -- any option's value
) -> Summary:
    """Upload the inputs to Miso, from wherever the last run stopped, and return the summary.

    An error that ends a run early, such as a refused key, is not raised: it is
    `summary.stopped_by`, and the summary has the outcomes until then.

    Args:
        settings: The settings; or the inputs, with `options` as in `Settings.of`.
        listener: Receives the progress.
        records: Rows instead of inputs: an iterable of dicts, which is read as a stream; or Arrow
            data, which is any object with `__arrow_c_stream__` or `__arrow_c_array__`, such as a
            table, a batch, a reader or a data frame. Rows are mapped like those of a file, so a row
            that is a record already stays as it is.
        name: The name of these rows in messages and in the ledger, as `python://NAME`.
        stop: Set it from another thread to stop the run gracefully.
        ask: Called with a `NewKeyError` if a new key may belong to a known target or to a new one;
            returns the name of the target, or None to raise the error.
        options: Options that override the settings. Without `api_key` and `api_key_file`, the key
            is that of the environment variable `MISO_API_KEY`.

    Raises:
        ConfigurationError: The settings contradict each other or cannot be used.
        TargetError: The API key does not belong to the target.
        SourceError: An input cannot be opened.
        LockedError: Another run is using the same target.
        LedgerError: The ledger cannot be used.
        InterruptedRunError: A signal came before the first input was read.
    """
    with python_names():
        chosen = settings_of(settings, options, records, name)
        return spell_summary(
            run.upload(chosen, SpelledListener(listener or Listener()), stop=stop, ask=ask)
        )


def check(
    settings: AnySettings | Inputs = (),
    listener: Listener | None = None,
    *,
    records: Iterable[Any] | None = None,
    name: str = "records",
    stop: StopSignal | None = None,
    **options: Any,  # noqa: ANN401 -- any option's value
) -> Summary:
    """Do everything that `upload` does except send; this needs no key and leaves no trace.

    Args:
        settings: The settings; or the inputs, with `options` as in `Settings.of`.
        listener: Receives the progress.
        records: Rows instead of inputs; see `upload`. An iterator is used up.
        name: The name of these rows.
        stop: Set it from another thread to stop the run gracefully.
        options: Options that override the settings.

    Raises:
        ConfigurationError: The settings contradict each other or cannot be used.
        SourceError: An input cannot be opened.
    """
    changed = {**options, "dry_run": True}
    return upload(settings, listener, records=records, name=name, stop=stop, **changed)


def convert(  # noqa: PLR0913 -- most are keywords
    settings: AnySettings | Inputs = (),
    output: str | os.PathLike[str] = "-",
    listener: Listener | None = None,
    *,
    records: Iterable[Any] | None = None,
    name: str = "records",
    force: bool = False,
    stop: StopSignal | None = None,
    **options: Any,  # noqa: ANN401 -- any option's value
) -> Summary:
    """Map and validate the inputs, and write their records to a file, one JSON object a line.

    The records are those that an upload to a new target would send, in the same order. Rejected
    rows go to a file beside it. The file appears when all inputs were read to their ends.

    Args:
        settings: The settings; or the inputs, with `options` as in `Settings.of`.
        output: The file, gzipped if its name ends with `.gz`; or `-` for standard output.
        listener: Receives the progress.
        records: Rows instead of inputs; see `upload`.
        name: The name of these rows.
        force: Whether to replace the file if it exists.
        stop: Set it from another thread to stop the run gracefully.
        options: Options that override the settings.

    Raises:
        ConfigurationError: The file exists or is an input, or the settings cannot be used.
        SourceError: An input cannot be opened.
        OutputError: The file cannot be written.
    """
    with python_names():
        chosen = settings_of(settings, {**options, "dry_run": True}, records, name)
        heard = SpelledListener(listener or Listener())
        return spell_summary(conversion.convert(chosen, output, heard, force=force, stop=stop))


def summary_text(summary: Summary) -> str:
    """Return the summary of a run as text for people."""
    return spelled(report_text.summary_text(summary))


def summary_json(summary: Summary) -> dict[str, Any]:
    """Return the summary of a run as the JSON object that `docs/report.md` describes."""
    document: dict[str, Any] = spelled_json(report_json.summary_json(summary))
    return document


__all__ = ["Settings", "check", "convert", "summary_json", "summary_text", "upload"]
