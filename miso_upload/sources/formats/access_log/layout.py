"""Describes the lines of a log as layouts, and compiles layouts to readers of lines.

A layout is compiled to two regular expressions without unbounded backtracking: a field ends at the
text that follows it in the layout, and a match is never given back. The first expression supports
no escapes, no unescaped quotes and no invalid requests, and is twice as fast. The second one reads
the lines that the first does not match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from miso_upload.sources.formats.access_log import timestamps
from miso_upload.sources.formats.access_log.escapes import REST, unescape
from miso_upload.sources.formats.access_log.fields import Field, named, steps_of, timestamp_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from miso_upload.records import Reason

    Row = dict[str, str]
    Starts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptionalPart:
    """An optional part of a layout."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Further fields after those of the layout, each after a space.

    Attributes:
        names: The names of the first of them; the others are `extra1` and so on.
    """

    names: tuple[str, ...] = ()


Part: TypeAlias = "str | Field | OptionalPart | Rest"


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a line: literal text, fields and optional parts.

    Attributes:
        parts: The parts in order.
        plain_quotes: Whether the server escapes nothing: a backslash is an ordinary character, and
            only the text after a quote shows whether it closes its field.
    """

    parts: tuple[Part, ...]
    plain_quotes: bool = False


def fields_of(parts: Sequence[Part]) -> Iterator[Field]:
    """Yield the fields of a layout's parts, in order."""
    for part in parts:
        if isinstance(part, Field):
            yield part
        elif isinstance(part, OptionalPart):
            yield from fields_of(part.parts)


def with_quotes(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts of a layout, with quotes moved from the text into the enclosed fields."""
    made: list[Part] = []
    quotes = 0
    for i, part in enumerate(parts):
        before, after = made[-1] if made else "", parts[i + 1] if i + 1 < len(parts) else ""
        if isinstance(part, OptionalPart):
            made.append(OptionalPart(with_quotes(part.parts)))
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
    """Return the patterns of a layout's parts, which show where a line is damaged."""
    return _PatternWriter(layout).pieces


@cache
def reader_of(layout: Layout) -> Callable[[str], Row | Reason | None]:
    """Return a reader of lines: it returns a row, the reason for a bad line, or None for others."""
    usual, full = _PatternWriter(layout, usual=True), _PatternWriter(layout)
    # A comment or a blank line matches no layout.
    match_usual, match = (
        re.compile(rf"(?=[^\s#]){writer.pattern}\Z").match for writer in (usual, full)
    )
    usual_keys, keys = tuple(usual.keys), tuple(full.keys)
    read_timestamp = timestamp_reader(full.fields)
    steps = steps_of(full.fields)
    escaped = not layout.plain_quotes
    rest = next((part for part in layout.parts if isinstance(part, Rest)), Rest())

    def read(line: str) -> Row | Reason | None:
        has_escapes = "\\" in line
        found = None if has_escapes else match_usual(line)
        if found is not None:
            pairs = zip(usual_keys, found.groups(), strict=True)
        else:
            found = match(line)
            if found is None:
                return None
            pairs = zip(keys, found.groups(), strict=True)
        row = {key: value for key, value in pairs if value and value != "-"}
        if has_escapes and escaped:
            unescape(row)
        # The most common steps are inlined, because calls would take as long as the steps.
        if read_timestamp is not None and "timestamp" in row:
            timestamp = read_timestamp(row["timestamp"])
            if timestamp is None:
                return timestamps.NO_TIMESTAMP
            row["timestamp"] = timestamp
        if REST in row:
            _split_rest(row, rest.names)
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
"""Characters that a field cannot contain, by its role; it contains at least one other character."""
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
_ANY_PROTOCOL = "(?:[A-Z]{2,8}/[0-9.]{1,8}|[Hh][Tt]{2}[Pp][/ ][0-9.]{1,8})"
"""A protocol, also in small letters or with a space in place of the slash."""
_USUAL_REQUEST = {
    True: rf'"({_METHOD}+) ([^ ]*+) ({_PROTOCOL}+)"',
    False: rf"({_METHOD}+) ([^ ]*+) ({_PROTOCOL}+)",
}
"""The pattern of a request, by whether it is between quotes."""
_LONG = frozenset({"url", "path"})
_REST = r'(?: (?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^"\s]++))*+'
_EXTRA = re.compile(r' (?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^"\s]++))')
# Atomic, because the end of an IPv6 address may also be a port: each address in a list would double
# the number of ways to match it.
_ADDRESS = (
    r"(?>(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40}\]?)(?::[0-9]+)?)"
)
_ADDRESSES = re.compile(rf' "({_ADDRESS}(?:, ?{_ADDRESS}){{0,40}})"')


class Piece(NamedTuple):
    """The pattern of a part of a layout.

    Attributes:
        pattern: The pattern of this part, with a lookahead for the text after it.
        name: The field's name in the row; empty for other parts.
        starts: The literal texts that can follow.
        inner: The pieces of an optional part.
    """

    pattern: str
    name: str = ""
    starts: Starts = ()
    inner: tuple[Piece, ...] = ()

    def match(self, line: str, at: int) -> re.Match[str] | None:
        """Return the match of the part at position `at` of `line`, if any."""
        return _compiled(self.pattern).match(line, at)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


class _PatternWriter:
    """Writes the pattern of a layout, and records the row's key for each group.

    Args:
        layout: The layout.
        usual: Whether the pattern matches only lines without escapes and with a valid request.
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
        """Return the patterns of `parts`; the text after them starts with one of `after`."""
        made = []
        for i, part in enumerate(parts):
            starts = _starts(parts[i + 1 :], after)
            if isinstance(part, str):
                self._in_quotes ^= bool(part.count('"') % 2)
                made.append(Piece(re.escape(part), starts=(part,)))
            elif isinstance(part, OptionalPart):
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
            # A dash is matched like any other text, and dropped from the row later.
            pattern = f"({text})" if self._usual else f"(?>({text}){ahead})"
        return Piece(pattern, winner.name, starts)

    def _shape(self, part: Field, starts: Starts) -> str:
        """Return the special pattern of a field's values, if any; it ends before `starts`."""
        if part.shape:
            return part.shape
        if part.role == "timestamp":
            return timestamps.shape(part.form, usual=self._usual)
        firsts = {start[:1] for start in starts}
        if self._usual and part.role in _LONG and len(firsts) == 1:
            # A class that excludes one character is several times faster than one of three.
            return f"[^{_escaped(firsts)}]*+" if firsts != {""} else ".*+"
        if part.role == "ip" and ":" in firsts:
            return _BEFORE_PORT
        if part.role not in _CLASSES:
            return _SHAPES.get(part.role, "")
        some = f"[^{_CLASSES[part.role]}{_escaped(firsts)}]++"
        is_list = part.role in ("ip", "forwarded_for") and "," not in firsts
        return f"{some}(?:, ?{some})*+" if is_list else some

    def _request(self, part: Field, ahead: str) -> str:
        """Return the pattern of `GET /path HTTP/1.1`, or of any other text in its position."""
        if not part.quoted:
            word, junk, end = r"[^\s\"]*+", r"[^\"]*?", ahead
            request = f"({_METHOD}) ({word})(?: ({_ANY_PROTOCOL}))?{end}|({junk}){end}"
            return f"(?>-{ahead}|{request})"
        end = f'"{ahead}'
        if self._plain:
            word = rf'[^\s"]*+(?:"(?!{ahead})[^\s"]*+)*+'
        else:
            word = rf'[^\s"\\]*+(?:(?:\\.|"(?!{ahead}))[^\s"\\]*+)*+'
        # Some targets contain spaces, although they must not; the protocol ends the request.
        target = rf"{word}(?: (?!{_ANY_PROTOCOL}{end}){word})*+"
        request = rf"({_METHOD}) ({target})(?: ({_ANY_PROTOCOL}))?(?={end})|({self._text(ahead)})"
        return rf'(?>"(?:-(?=")|{request})"|-{ahead})'

    def _text(self, ahead: str) -> str:
        """Return the pattern of text between quotes, in which quotes may be unescaped."""
        if self._usual:
            return '[^"]*+'
        if self._plain:
            # A quote that only a space separates from the next quote closes its field.
            return rf'[^"]*+(?:"(?!{ahead}| ")[^"]*+)*+'
        return rf'[^"\\]*+(?:(?:\\.|"(?!{ahead}))[^"\\]*+)*+'

    def _up_to(self, starts: Starts, *, is_escaped: bool) -> str:
        """Return the pattern of text up to the first of `starts`.

        Escaped text contains no unescaped quote. Otherwise, quoted text later in the line, which
        the visitor controls, could be mistaken for the text that follows.
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
    """Return the literal texts with which `parts` can begin; none if a field comes first."""
    for i, part in enumerate(parts):
        if isinstance(part, str):
            return (part,)
        if isinstance(part, Field):
            return ('"',) if part.quoted else ()
        rest = _starts(parts[i + 1 :], after)
        first = (" ",) if isinstance(part, Rest) else _starts(part.parts, rest)
        return tuple(dict.fromkeys((*first, *rest)))
    return after


def _ahead(starts: Starts) -> str:
    if not starts:
        return ""
    return "(?=" + "|".join(re.escape(start) or r"\Z" for start in starts) + ")"


# -- further fields --------------------------------------------------------------------------------


def _split_rest(row: Row, names: Sequence[str]) -> None:
    """Add the further fields of a line to its row; the first ones are called `names`."""
    text = row.pop(REST)
    # Only nginx's default format ends with a list of addresses, the X-Forwarded-For header.
    addresses = _ADDRESSES.fullmatch(text)
    if addresses is not None and not names:
        row["forwarded_for"] = addresses[1]
        return
    more = {
        _rest_name(number, names, row): quoted or bare
        for number, (quoted, bare) in enumerate(_EXTRA.findall(text))
        if (quoted or bare) not in ("", "-")
    }
    unescape(more)
    row.update(more)


def _rest_name(number: int, names: Sequence[str], row: Row) -> str:
    name = names[number] if number < len(names) else f"extra{number - len(names) + 1}"
    return name if name not in row else f"{name}_2"
