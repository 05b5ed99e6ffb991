"""What a log can say of a request, and what the row calls it.

Every notation has its own name for, say, the visitor's browser. A field therefore has the name that
its vendor gives it and, if there is one, a *role*: the name that rows of all logs use for it. Where
several fields of a layout have the same role, the one of the lowest rank takes it; the others keep
their vendor's names, so that nothing a log says is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from miso_upload.sources.formats.access_log import timestamps as moments

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
_MADE_INTO_OTHERS = frozenset({"path", "query", "secure", "nothing"})
_SECURE = frozenset({"on", "https", "h2", "grpcs", "wss"})


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a layout says of a request.

    Attributes:
        name: What its vendor calls it.
        role: What rows call it; `request`, `path`, `query` and `secure` are made into others, and
            `nothing` is told by others.
        rank: Who takes the role, if several could: the lowest.
        form: How a moment is written (see `moments.reader`), or in which power of ten of a second
            a duration is.
        shape: A pattern for its values, if they have a shape of their own.
        quoted: It stands between quotes, where a quote and a backslash are escaped.
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
    """Return `fields` with the name in the row that each of them gets as its `name`.

    What is not the row's yet, but made into it by the steps, begins with `@`.
    """
    best: dict[str, int] = {}
    for at, each in enumerate(fields):
        if each.role and (each.role not in best or each.rank < fields[best[each.role]].rank):
            best[each.role] = at
    told_by = {"request": (*_REQUEST, "path", "query"), "url": ("path", "query"),
               "scheme": ("secure",)}  # fmt: skip
    for role, others in told_by.items():
        if role in best:
            for other in others:
                best.pop(other, None)
    # The parts of a moment go together: hours and minutes are no time without a day.
    parts = moments.go_together(each.form for each in fields if each.role == "timestamp")
    taken = {*_REQUEST, "timestamp", *best}
    found = []
    for at, each in enumerate(fields):
        if each.role == "timestamp" and parts:
            found.append(replace(each, name=_unique("@time", taken)))
        elif best.get(each.role) == at:
            made = each.role in _MADE_INTO_OTHERS
            found.append(replace(each, name=f"@{each.role}" if made else each.role))
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


def moment_of(fields: Iterable[Field]) -> Callable[[str], str | None] | None:
    """Return what reads the text of a row's `timestamp`, if one field alone tells it."""
    return next((moments.reader(each.form) for each in fields if each.name == "timestamp"), None)


def steps_of(fields: Iterable[Field]) -> list[Step]:
    """Return what else is to be done with a row of values, under the names that `named` gave."""
    known = {each.name: each for each in fields if each.role}
    steps: list[Step] = []
    times = [each for each in known.values() if each.role == "timestamp"]
    if len(times) > 1:
        steps.append(moments.put_together([(each.name, each.form) for each in times]))
    if "@path" in known or "@query" in known:
        steps.append(_put_url_together)
    if "@secure" in known:
        steps.append(_tell_scheme)
    if "@nothing" in known:
        steps.append(_forget)
    duration = known.get("request_time")
    if duration is not None and duration.form:
        steps.append(moments.duration(duration.form))
    return steps


def _put_url_together(row: Row) -> None:
    path, query = row.pop("@path", ""), row.pop("@query", "").removeprefix("?")
    if path or query:
        row["url"] = f"{path}?{query}" if query else path


def _tell_scheme(row: Row) -> None:
    said = row.pop("@secure", "")
    if said:
        row["scheme"] = "https" if said in _SECURE else "http"


def _forget(row: Row) -> None:
    row.pop("@nothing", None)
