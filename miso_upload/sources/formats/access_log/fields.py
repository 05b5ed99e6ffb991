"""Defines the fields of a log and their names in the row.

Every notation has its own name for, say, the visitor's browser. A field therefore has its vendor's
name and, if there is one, a *role*: the name of the field in the rows of all logs. If several
fields of a layout have the same role, the one with the lowest rank gets it. The others keep their
vendor's names, so that no field is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from miso_upload.sources.formats.access_log import timestamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from miso_upload.records import Reason

    Row = dict[str, str]
    Step = Callable[[Row], Reason | None]

_HEADERS = {
    "referer": "referrer",
    "referrer": "referrer",
    "user-agent": "user_agent",
    "x-forwarded-for": "forwarded_for",
    "host": "host",
    "cookie": "cookie",
    "x-forwarded-proto": "scheme",
}
_REQUEST = ("method", "url", "protocol")
_INTERMEDIATE = frozenset({"path", "query", "secure", "nothing"})
_SECURE = frozenset({"on", "https", "h2", "grpcs", "wss"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a layout.

    Attributes:
        name: The vendor's name.
        role: The name in the row. `request`, `path`, `query` and `secure` are converted to other
            fields, and `nothing` is dropped because other fields contain it.
        rank: The priority if several fields have the same role; the lowest gets it.
        form: The format of a timestamp (see `timestamps.reader`), or the power of ten of a
            duration's units in a second.
        shape: A pattern for its values, if they have a special one.
        quoted: Whether it is between quotes, where quotes and backslashes are escaped.
    """

    name: str
    role: str = ""
    rank: int = 0
    form: str = ""
    shape: str = ""
    quoted: bool = False


def header(name: str, shown: str) -> Field:
    """Return the field for a request header; its vendor's name is `shown`."""
    return Field(shown, _HEADERS.get(name.lower(), ""))


def named(fields: Sequence[Field]) -> list[Field]:
    """Return `fields` with their names in the row.

    Names that begin with `@` are intermediate: the steps convert them to other fields.
    """
    best: dict[str, int] = {}
    for i, each in enumerate(fields):
        if each.role and (each.role not in best or each.rank < fields[best[each.role]].rank):
            best[each.role] = i
    implied = {"request": (*_REQUEST, "path", "query"), "url": ("path", "query"),
               "scheme": ("secure",)}  # fmt: skip
    for role, others in implied.items():
        if role in best:
            for other in others:
                best.pop(other, None)
    # The parts of a timestamp belong together: a time of day is useless without its date.
    parts = timestamps.are_parts(each.form for each in fields if each.role == "timestamp")
    taken = {*_REQUEST, "timestamp", *best}
    found = []
    for i, each in enumerate(fields):
        if each.role == "timestamp" and parts:
            found.append(replace(each, name=_unique("@time", taken)))
        elif best.get(each.role) == i:
            is_intermediate = each.role in _INTERMEDIATE
            found.append(replace(each, name=f"@{each.role}" if is_intermediate else each.role))
        else:
            found.append(replace(each, name=_unique(each.name, taken), role="", form=""))
    return found


def _unique(name: str, taken: set[str]) -> str:
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    taken.add(found)
    return found


def timestamp_reader(fields: Iterable[Field]) -> Callable[[str], str | None] | None:
    """Return the reader of a row's `timestamp`; None unless it is a single field."""
    return next((timestamps.reader(each.form) for each in fields if each.name == "timestamp"), None)


def steps_of(fields: Iterable[Field]) -> list[Step]:
    """Return the steps that convert a row of `fields`, which `named` returned."""
    known = {each.name: each for each in fields if each.role}
    steps: list[Step] = []
    times = [each for each in known.values() if each.role == "timestamp"]
    if len(times) > 1:
        steps.append(timestamps.join_parts([(each.name, each.form) for each in times]))
    if "@path" in known or "@query" in known:
        steps.append(_join_url)
    if "@secure" in known:
        steps.append(_set_scheme)
    if "@nothing" in known:
        steps.append(_drop_nothing)
    duration = known.get("request_time")
    if duration is not None and duration.form:
        steps.append(timestamps.duration(duration.form))
    return steps


def _join_url(row: Row) -> None:
    path, query = row.pop("@path", ""), row.pop("@query", "").removeprefix("?")
    if path or query:
        row["url"] = f"{path}?{query}" if query else path


def _set_scheme(row: Row) -> None:
    secure = row.pop("@secure", "")
    if secure:
        row["scheme"] = "https" if secure in _SECURE else "http"


def _drop_nothing(row: Row) -> None:
    row.pop("@nothing", None)
