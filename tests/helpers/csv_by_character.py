"""Parses CSV a character at a time: slowly, but simply enough to be obviously correct."""

from __future__ import annotations

from dataclasses import dataclass

ESCAPED_RETURN = "\ue000"
"""Replaces a carriage return that belongs to a cell."""


@dataclass(frozen=True)
class Rules:
    """A dialect, the number of cells in a row, and the longest row."""

    columns: int
    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    row_bytes: int = 2**20
    decided: bool = False


@dataclass(frozen=True)
class Row:
    """The text of a row without its line end, and its cells if it is valid."""

    raw: str
    texts: list[str] | None
    by_line: bool = False
    """Whether each of its lines may be a row."""
    is_blank: bool = False
    """Whether the row is blank."""

    @property
    def lines(self):
        """The indices of its lines that are rejected if the row is not valid."""
        lines = self.raw.split("\n") if self.by_line else [self.raw]
        return [i for i, line in enumerate(lines) if line.strip("\r")]


def rows_of(text, rules):
    """Yield each row with its line number; blank lines are rows without cells."""
    line = 1
    while text:
        raw, texts, by_line = _one(text, rules)
        fits = _size(raw) <= rules.row_bytes
        shown = raw.removesuffix("\n")
        shown = shown.rstrip("\r") if fits else shown
        # Delimiters alone separate empty cells, even if they are whitespace.
        is_blank = not raw.strip() and rules.delimiter not in raw
        yield line, Row(shown, texts, by_line, is_blank)
        line += raw.count("\n")
        text = text[len(raw) :]


def _one(text, rules):
    end, cells = _well_formed(text, rules)
    raw = text[:end] if end else ""
    line = text.partition("\n")[0] + ("\n" if "\n" in text else "")
    if "\n" in raw[:-1] and _size(raw) > rules.row_bytes:
        raw = ""
    if not raw:
        raw, cells = line, _literal_cells(line, rules)
    if _size(raw) > rules.row_bytes or len(cells) != rules.columns:
        return raw, None, False
    if "\n" in raw[:-1] and not rules.decided and _hides_rows(raw, rules):
        return raw, None, True
    if _is_damaged(cells, rules):
        return raw, None, False
    return raw, [cell.replace(ESCAPED_RETURN, "\r") for cell, _ in cells], False


def _size(raw):
    return len(raw.removesuffix("\n").encode(errors="surrogateescape"))


def _well_formed(text, rules):
    """Return the end and the cells of a well-formed row with all its cells; 0 if it is not one."""
    cells, at, is_ended = [], 0, False
    while len(cells) < rules.columns:
        cell, at, quoted = _cell(text, at, rules)
        if cell is None:
            return 0, []
        cells.append((cell, quoted))
        if text[at : at + 1] != rules.delimiter:
            break
        at += 1
    else:
        is_ended = True  # A delimiter follows the last cell.
    after = len(text) - len(text[at:].lstrip("\r"))
    if len(cells) != rules.columns or text[after : after + 1] not in ("", "\n"):
        return 0, []
    if not cells[-1][1] and not is_ended:
        cells[-1] = (cells[-1][0].rstrip("\r"), cells[-1][1])
    return min(after + 1, len(text)), cells


def _cell(text, at, rules):
    """Return the text of the cell at `at`, its end, and whether it is quoted."""
    quoted = bool(rules.quote) and text[at : at + 1] == rules.quote
    said = ""
    at += quoted
    while at < len(text):
        char, two = text[at], text[at : at + 2]
        if char == rules.escape:
            width = _escaped(text[at + 1 :], rules)
            said += text[at + 1 : at + 1 + width].replace("\r", ESCAPED_RETURN) if width else char
            at += 1 + width
        elif quoted and two == rules.quote * 2:
            said += char
            at += 2
        elif quoted and char == rules.quote:
            rest = text[at + 1 :].lstrip("\r") if text[at + 1 :][:1] == "\r" else text[at + 1 :]
            closes = rest[:1] in ("", "\n") or text[at + 1] == rules.delimiter
            return (said, at + 1, True) if closes else (None, at, True)
        elif not quoted and char in (rules.delimiter, "\n"):
            break
        else:
            said += char
            at += 1
    return (None if quoted else said), at, quoted


def _escaped(rest, rules):
    if rest in ("\n", "\r\n"):
        return 0  # the end of the text is a line end
    if rest[:1] and rest[:1] in (rules.delimiter, rules.quote, rules.escape, "\n"):
        return 1
    return 2 if rest[:2] == "\r\n" else 0


def _literal_cells(line, rules):
    """Return the cells of a line; a malformed cell extends to the next delimiter."""
    line = line.removesuffix("\n").rstrip("\r")
    cells, at = [], 0
    while True:
        cell, end, quoted = _cell(line, at, rules)
        if cell is None or line[end : end + 1] not in ("", rules.delimiter):
            end = line.find(rules.delimiter, at)
            end = len(line) if end < 0 else end
            cell, quoted = line[at:end], False
        cells.append((cell, quoted))
        if end >= len(line):
            is_ended = len(cells) == rules.columns + 1 and at == end
            return cells[:-1] if is_ended else cells
        at = end + 1


def _hides_rows(raw, rules):
    """Return whether a line after the first has all cells, whatever they contain."""
    first, *others = raw.removesuffix("\n").rstrip("\r").split("\n")
    return any(
        _is_row(line, rules) and (_is_row(first, rules) or _opened_before(raw, i + 1, rules))
        for i, line in enumerate(others)
    )


def _is_row(line, rules):
    cells = _literal_cells(line, rules)
    is_whole = bool(line) and len(cells) == rules.columns
    return is_whole and not _is_damaged(cells, rules) and "\udcff" not in line


def _is_damaged(cells, rules):
    """Return whether a cell has a lone carriage return, or a quote that a backslash precedes."""
    return any(
        not quoted and ("\r" in cell or _has_escaped_quote(cell, rules)) for cell, quoted in cells
    )


def _has_escaped_quote(cell, rules):
    is_malformed = bool(rules.quote) and cell.startswith(rules.quote)
    return is_malformed and not rules.escape and "\\" + rules.quote in cell


def _opened_before(raw, index, rules):
    """Return whether a cell of several lines contains a delimiter in a line of the row."""
    start = len("\n".join(raw.split("\n")[:index])) + 1
    end = start + len(raw.split("\n")[index])
    at = 0
    for _ in range(rules.columns):
        _, cell_end, _ = _cell(raw, at, rules)
        part = raw[max(at, start) : max(min(cell_end, end), at, start)]
        if "\n" in raw[at:cell_end] and rules.delimiter in part:
            return True
        at = cell_end + 1
    return False
