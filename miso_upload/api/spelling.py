"""Spells options in messages as Python does: `chunk_size` instead of `--chunk-size`.

Messages are written once, with the names of the command line. This module changes them where they
reach a Python program. Text in quotes is data and stays as it is.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from miso_upload.errors import MisoUploadError
from miso_upload.pipeline.settings import all_options
from miso_upload.report.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.records import Batch, Receipt
    from miso_upload.report.summary import Summary
    from miso_upload.values.option import Option

_OPTION = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w-])--([a-z][a-z0-9-]*)(:|(?: ([\w./%<>=*-]+))?)')
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PLACEHOLDER = re.compile(r"[A-Z]+(?:=[A-Z]+)?")


@contextmanager
def python_names() -> Iterator[None]:
    """Change the message of an error that is raised in this context."""
    try:
        yield
    except MisoUploadError as error:
        respell(error)
        raise


def respell(error: MisoUploadError) -> MisoUploadError:
    """Change the message of an error, and return the error."""
    error.args = tuple(spelled(each) if isinstance(each, str) else each for each in error.args)
    return error


def spelled(text: str) -> str:
    """Return a message with the options that it names spelled as settings."""
    return _OPTION.sub(_setting, text)


def spelled_json(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return a JSON value with the options in its texts spelled as settings."""
    if isinstance(value, str):
        return spelled(value)
    if isinstance(value, dict):
        return {spelled(name): spelled_json(inner) for name, inner in value.items()}
    return list(map(spelled_json, value)) if isinstance(value, list) else value


def spell_summary(summary: Summary) -> Summary:
    """Change the messages of a summary, and return it."""
    summary.advice = list(map(spelled, summary.advice))
    summary.problems = list(map(respell, summary.problems))
    summary.stopped_by = summary.stopped_by and respell(summary.stopped_by)
    summary.reasons = {spelled(group): tally for group, tally in summary.reasons.items()}
    return summary


class SpelledListener(Listener):
    """Passes the events of a run to another listener, with settings in the messages."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def started(self, inputs: Sequence[tuple[str, int | None]]) -> None:
        """See `Listener.started`."""
        self._listener.started(inputs)

    def reading(self, name: str, position: int) -> None:
        """See `Listener.reading`."""
        self._listener.reading(name, position)

    def transformed(self, batch: Batch) -> None:
        """See `Listener.transformed`."""
        self._listener.transformed(batch)

    def sending(self, deliveries: int) -> None:
        """See `Listener.sending`."""
        self._listener.sending(deliveries)

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """See `Listener.settled`."""
        self._listener.settled(batch, receipt)

    def waiting(self, seconds: float, why: str) -> None:
        """See `Listener.waiting`."""
        self._listener.waiting(seconds, spelled(why))

    def noted(self, text: str) -> None:
        """See `Listener.noted`."""
        self._listener.noted(spelled(text))

    def stopping(self, why: str) -> None:
        """See `Listener.stopping`."""
        self._listener.stopping(spelled(why))

    def finished(self, summary: Summary) -> None:
        """See `Listener.finished`."""
        self._listener.finished(spell_summary(summary))


@cache
def _options() -> dict[str, Option | None]:
    own: dict[str, Option | None] = {"force": None, "output": None}
    return {**own, **all_options()}


def _setting(found: re.Match[str]) -> str:
    flag, after, value = found.groups()
    name = (flag or "").replace("-", "_")
    if name not in _options():
        return found[0]
    option = _options()[name]
    if value is not None and option is not None:
        word = value.rstrip(".,")
        is_number = option.kind in ("integer", "number") and _NUMBER.fullmatch(word)
        is_placeholder = option.kind != "flag" and _PLACEHOLDER.fullmatch(word)
        if word in option.choices or is_number or is_placeholder:
            shown = f'"{word}"' if word in option.choices else word
            return f"{name}={shown}{value[len(word) :]}"
    is_flag = option.kind == "flag" if option is not None else name == "force"
    return f"{name}{'=True' if is_flag and after != ':' else ''}{after}"
