"""Layouts: how a line of a log is put together, as a value, and what reads such lines.

A layout becomes two regular expressions, compiled once, in which nothing backtracks without bound:
a field ends at the text that follows it in the layout, and what was once taken is never given back.
The first one knows nothing of escapes, of odd quotes and of broken requests, and is twice as fast;
the second is asked about the lines that the first does not take.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from miso_upload.sources.formats.access_log import timestamps as moments
from miso_upload.sources.formats.access_log.escapes import REST, unescape
from miso_upload.sources.formats.access_log.fields import Field, moment_of, named, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from miso_upload.records import Reason

    Row = dict[str, str]
    Starts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """A stretch of a layout that some lines do not have."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Further fields behind the ones that the layout knows, each behind a space.

    Attributes:
        names: What the first of them are called; the others are `extra1` and so on.
    """

    names: tuple[str, ...] = ()


Part: TypeAlias = "str | Field | Maybe | Rest"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a line is put together: literal text, fields, and what some lines lack.

    Attributes:
        parts: One behind the other.
        plain_quotes: A backslash is one, and a quote in a field is only known from the one at its
            end by what follows: so wrote servers that escape nothing.
    """

    parts: tuple[Part, ...]
    plain_quotes: bool = False


def fields_of(parts: Sequence[Part]) -> Iterator[Field]:
    """Yield the fields of a layout's parts, in order."""
    for part in parts:
        if isinstance(part, Field):
            yield part
        elif isinstance(part, Maybe):
            yield from fields_of(part.parts)


def ready(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts of a layout with its quotes made part of the fields that they enclose."""
    made: list[Part] = []
    quotes = 0
    for at, part in enumerate(parts):
        before, after = made[-1] if made else "", parts[at + 1] if at + 1 < len(parts) else ""
        if isinstance(part, Maybe):
            made.append(Maybe(ready(part.parts)))
        elif isinstance(part, str):
            quotes += part.count('"')
            enclosed = isinstance(before, Field) and before.quoted
            made.append(part[1:] if enclosed else part)
        elif (
            isinstance(part, Field)
            and quotes % 2
            and isinstance(before, str)
            and before.endswith('"')
            and isinstance(after, str)
            and after.startswith('"')
        ):
            made[-1] = before[:-1]
            made.append(replace(part, quoted=True))
        else:
            made.append(part)
    return tuple(part for part in made if part != "")


def pieces_of(layout: Layout) -> tuple[Piece, ...]:
    """Return the patterns of a layout's parts, by which it can be told where a line is broken."""
    return _Writer(layout).pieces


@cache
def reader_of(layout: Layout) -> Callable[[str], Row | Reason | None]:
    """Return what reads a line: its row, None if it is not of this layout, or why it is bad."""
    usual, full = _Writer(layout, usual=True), _Writer(layout)
    # A comment or a blank line is none, whatever the layout.
    match_usual, match = (
        re.compile(rf"(?=[^\s#]){writer.pattern}\Z").match for writer in (usual, full)
    )
    usual_keys, keys = tuple(usual.keys), tuple(full.keys)
    moment_of_text = moment_of(full.fields)
    steps = steps_of(full.fields)
    escaped = not layout.plain_quotes
    rest = next((part for part in layout.parts if isinstance(part, Rest)), Rest())

    def read(line: str) -> Row | Reason | None:
        odd = "\\" in line
        found = None if odd else match_usual(line)
        if found is not None:
            pairs = zip(usual_keys, found.groups(), strict=True)
        else:
            found = match(line)
            if found is None:
                return None
            pairs = zip(keys, found.groups(), strict=True)
        row = {key: value for key, value in pairs if value and value != "-"}
        if odd and escaped:
            unescape(row)
        # What most layouts have is done here, where a call for each would cost as much as it does.
        if moment_of_text is not None and "timestamp" in row:
            moment = moment_of_text(row["timestamp"])
            if moment is None:
                return moments.NO_MOMENT
            row["timestamp"] = moment
        if REST in row:
            _take_apart(row, rest.names)
        for step in steps:
            problem = step(row)
            if problem is not None:
                return problem
        return row

    return read


# -- patterns --------------------------------------------------------------------------------------

_CLASSES = {
    "ip": r"\s,\"",
    "forwarded_for": r"\s,\"",
    "ident": r"\s.:\"\[",
    "method": r"\s\"",
    "protocol": r"\s\"",
    "host": r"\s,/\"",
    "url": r"\s\"",
    "path": r"\s?\"",
}
"""What fields have no characters of, by their roles; they have one other character at least."""
_SHAPES = {
    "status": "[0-9]{3}",
    "bytes": "[0-9]++",
    "request_time": r"[0-9]{1,18}+(?:\.[0-9]{1,9}+)?+",
    "scheme": "[A-Za-z]++",
    "query": r"\??[^\s\"]*+",
    "nothing": r"\??",
}
_IN_QUOTES_TOO = frozenset({"timestamp", "status", "bytes", "request_time"})
_BEFORE_PORT = r"\[?[0-9A-Fa-f.:]+\]?"
_METHOD = "[A-Z][A-Z_-]{0,30}"
_PROTOCOL = "[A-Z]{2,8}/[0-9.]{1,8}"
_USUAL_REQUEST = {
    True: rf'"({_METHOD}+) ([^ ]*+) ({_PROTOCOL}+)"',
    False: rf"({_METHOD}+) ([^ ]*+) ({_PROTOCOL}+)",
}
"""The pattern of a request, by whether it stands between quotes."""
_LONG = frozenset({"url", "path"})
_REST = r'(?: (?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^"\s]++))*+'
_EXTRA = re.compile(r' (?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^"\s]++))')
# Atomic, since the end of many an IPv6 address may be a port as well: a list of those could be read
# in twice as many ways with each of them.
_ADDRESS = (
    r"(?>(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40}\]?)(?::[0-9]+)?)"
)
_ADDRESSES = re.compile(rf' "({_ADDRESS}(?:, ?{_ADDRESS}){{0,40}})"')


class Piece(NamedTuple):
    """The pattern of one part of a layout.

    Attributes:
        pattern: For this part, and what must follow it.
        name: What the row calls the field; empty for other parts.
        starts: What may follow, where that is literal text.
        inner: The pieces of a stretch that some lines lack.
    """

    pattern: str
    name: str = ""
    starts: Starts = ()
    inner: tuple[Piece, ...] = ()

    def match(self, line: str, at: int) -> re.Match[str] | None:
        """Return what of `line` the part is, if it stands at `at`."""
        return _compiled(self.pattern).match(line, at)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


class _Writer:
    """Writes the pattern of a layout, and notes which key of the row each group is.

    Args:
        layout: For which.
        usual: Only for lines without a backslash, and with nothing odd in them.
    """

    def __init__(self, layout: Layout, *, usual: bool = False) -> None:
        self._plain = layout.plain_quotes
        self._usual = usual
        fields = list(fields_of(layout.parts))
        self.fields = named(fields)
        self._named = iter(self.fields)
        self._in_quotes = False
        self.keys: list[str] = []
        self.pieces = self._pieces(layout.parts, ("",))
        self.pattern = "".join(piece.pattern for piece in self.pieces)

    def _pieces(self, parts: Sequence[Part], after: Starts) -> tuple[Piece, ...]:
        """Return the patterns of `parts`, behind which stands what starts like `after`."""
        made = []
        for at, part in enumerate(parts):
            starts = _starts(parts[at + 1 :], after)
            if isinstance(part, str):
                self._in_quotes ^= bool(part.count('"') % 2)
                made.append(Piece(re.escape(part), starts=(part,)))
            elif isinstance(part, Maybe):
                inner = self._pieces(part.parts, starts)
                text = "".join(piece.pattern for piece in inner)
                made.append(Piece(f"(?:{text})?", inner=inner))
            elif isinstance(part, Rest):
                self.keys.append(REST)
                made.append(Piece(f"({_REST})", starts=starts))
            else:
                made.append(self._field(part, next(self._named), starts))
        return tuple(made)

    def _field(self, part: Field, winner: Field, starts: Starts) -> Piece:
        ahead = _ahead(starts)
        if winner.role == "request":
            self.keys += ["method", "url", "protocol"]
            if self._usual:
                return Piece(_USUAL_REQUEST[part.quoted])
            self.keys.append("request")
            return Piece(self._request(part, ahead), "request", starts)
        self.keys.append(winner.name)
        shape = self._shape(part, starts)
        text = shape or self._up_to(starts, is_escaped=self._in_quotes or part.role == "user")
        if part.quoted:
            text = shape if part.role in _IN_QUOTES_TOO else self._text(ahead)
            pattern = f'"({text})"' if self._usual else f'(?>"({text})"|-{ahead})'
        elif not ahead:
            pattern = f"({text})"
        elif part.role in _SHAPES or part.role == "timestamp":
            pattern = f"({text}|-)" if self._usual else f"(?>({text}){ahead}|-{ahead})"
        elif part.role == "user" and not self._usual:
            pattern = f'(?>(?:""|({text})){ahead})'
        else:
            # A dash is like any other text here, and is left out of the row.
            pattern = f"({text})" if self._usual else f"(?>({text}){ahead})"
        return Piece(pattern, winner.name, starts)

    def _shape(self, part: Field, starts: Starts) -> str:
        """Return the pattern for the values of a field that has one; it ends before `starts`."""
        if part.shape:
            return part.shape
        if part.role == "timestamp":
            return moments.shape(part.form)
        firsts = {start[:1] for start in starts}
        if self._usual and part.role in _LONG and len(firsts) == 1:
            # What is not one character is found several times faster than what is none of three.
            return f"[^{_escaped(firsts)}]*+" if firsts != {""} else ".*+"
        if part.role == "ip" and ":" in firsts:
            return _BEFORE_PORT
        if part.role not in _CLASSES:
            return _SHAPES.get(part.role, "")
        some = f"[^{_CLASSES[part.role]}{_escaped(firsts)}]++"
        is_list = part.role in ("ip", "forwarded_for") and "," not in firsts
        return f"{some}(?:, ?{some})*+" if is_list else some

    def _request(self, part: Field, ahead: str) -> str:
        """Return the pattern of `GET /path HTTP/1.1`, or of whatever stands in its place."""
        if not part.quoted:
            word, junk, end = r"[^\s\"]*+", r"[^\"]*?", ahead
            request = f"({_METHOD}) ({word})(?: ({_PROTOCOL}))?{end}|({junk}){end}"
            return f"(?>-{ahead}|{request})"
        end = f'"{ahead}'
        if self._plain:
            word = rf'[^\s"]*+(?:"(?!{ahead})[^\s"]*+)*+'
        else:
            word = rf'[^\s"\\]*+(?:(?:\\.|"(?!{ahead}))[^\s"\\]*+)*+'
        # A space in the target is no good, but it is there; the protocol is what ends it all.
        target = rf"{word}(?: (?!{_PROTOCOL}{end}){word})*+"
        request = rf"({_METHOD}) ({target})(?: ({_PROTOCOL}))?(?={end})|({self._text(ahead)})"
        return rf'(?>"(?:-(?=")|{request})"|-{ahead})'

    def _text(self, ahead: str) -> str:
        """Return the pattern for text between quotes, of which some may not be escaped."""
        if self._usual:
            return '[^"]*+'
        if self._plain:
            # A quote before another one with only a space between has ended its field.
            return rf'[^"]*+(?:"(?!{ahead}| ")[^"]*+)*+'
        return rf'[^"\\]*+(?:(?:\\.|"(?!{ahead}))[^"\\]*+)*+'

    def _up_to(self, starts: Starts, *, is_escaped: bool) -> str:
        """Return the pattern for text up to the first of `starts`.

        Where it is escaped it holds no bare quote, so that no text between quotes further on in a
        line, which the visitor wrote, can be taken for what follows.
        """
        firsts = _escaped({start[:1] for start in starts})
        excluded = firsts + (r'"\\' if is_escaped else "")
        few = f"[^{excluded}]*+" if excluded else ".*+"
        more = [r"\\."] if is_escaped else []
        if len(starts) == 1 and len(starts[0]) > 1:
            more.append(f"{re.escape(starts[0][0])}(?!{re.escape(starts[0][1:])})")
        return f"{few}(?:(?:{'|'.join(more)}){few})*+" if more else few


def _escaped(chars: set[str]) -> str:
    return "".join(map(re.escape, sorted(chars)))


def _starts(parts: Sequence[Part], after: Starts) -> Starts:
    """Return what may stand at the beginning of `parts`; nothing where a field does."""
    for at, part in enumerate(parts):
        if isinstance(part, str):
            return (part,)
        if isinstance(part, Field):
            return ('"',) if part.quoted else ()
        rest = _starts(parts[at + 1 :], after)
        first = (" ",) if isinstance(part, Rest) else _starts(part.parts, rest)
        return tuple(dict.fromkeys((*first, *rest)))
    return after


def _ahead(starts: Starts) -> str:
    if not starts:
        return ""
    return "(?=" + "|".join(re.escape(start) or r"\Z" for start in starts) + ")"


# -- what is left over -----------------------------------------------------------------------------


def _take_apart(row: Row, names: Sequence[str]) -> None:
    """Put further fields into a row, of which the first are called `names`."""
    text = row.pop(REST)
    # What nginx logs unless it is told otherwise ends with this header, and nothing else does.
    addresses = _ADDRESSES.fullmatch(text)
    if addresses is not None and not names:
        row["forwarded_for"] = addresses[1]
        return
    more = {
        _called(number, names, row): quoted or bare
        for number, (quoted, bare) in enumerate(_EXTRA.findall(text))
        if (quoted or bare) not in ("", "-")
    }
    unescape(more)
    row.update(more)


def _called(number: int, names: Sequence[str], row: Row) -> str:
    name = names[number] if number < len(names) else f"extra{number - len(names) + 1}"
    return name if name not in row else f"{name}_2"
