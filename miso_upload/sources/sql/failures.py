"""Explains the errors of DuckDB: what happened, where, and what to do."""

from __future__ import annotations

import re

from miso_upload.errors import ConfigurationError, MisoUploadError, SourceError
from miso_upload.values.display import counted, one_line, printable
from miso_upload.values.input_names import shown_name
from miso_upload.values.redaction import without_addresses

_FILE = re.compile(r'Cannot access (?:file|directory) "(.*?)"')
_EXTENSION = re.compile(r"exists in the (\w+) extension")
_CSV = re.compile(r"CSV Error on Line: (\d+)\n")
_CAST = re.compile(r'Could not convert string "(.*)" to \'?(\w+)')
_IS_PATH = re.compile(r"[/\\.*:]")
_TABLE = re.compile(r"Table with name (.+?) does not exist")
_MARK = re.compile(r"\s*\^+\s*$")
_MOST_LINES = 4
_MOST_SHOWN = 80


class Failures:
    """Turns errors of DuckDB into errors with a remedy.

    Args:
        name: The name of the query in messages.

    Attributes:
        shown: The names of files in messages, by the paths that DuckDB reads.
        tables: The names of the tables of databases, by the views that they would be.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.shown: dict[str, str] = {}
        self.tables: dict[str, list[str]] = {}

    def of(self, error: Exception) -> MisoUploadError:
        """Return the error to raise for an error of DuckDB."""
        text = str(error)
        for path, name in self.shown.items():
            text = text.replace(path, name)
        name = type(error).__name__
        if found := _FILE.search(text):
            return self._configuration(_outside(found[1]))
        if (found := _TABLE.search(text)) and _IS_PATH.search(found[1]):
            return self._configuration(_outside(found[1]))
        if found and (tables := self.tables.get(found[1].lower())):
            return self._configuration(
                f"{found[1]} is a database of {counted(len(tables), 'table')}; name the table, as "
                f"in FROM {found[1]}.{one_line(tables[0])}"
            )
        if (found := _EXTENSION.search(text)) or "external extensions is disabled" in text:
            which = f"the extension {found[1]} of DuckDB" if found else "an extension of DuckDB"
            return self._configuration(
                f"the query needs {which}, which is not installed, and miso-upload downloads no "
                "extensions. Possible fix: write the query without it"
            )
        if found := _CSV.search(text):
            return SourceError(_line_of_csv(text, found))
        if name == "OutOfMemoryException":
            return SourceError(
                f"{self._name}: the query needs more memory or temporary space than it may use "
                f"({without_addresses(_first_lines(text))}). Possible fixes: raise --sql-memory; "
                "set TMPDIR to a directory with more space; select fewer rows or columns"
            )
        if name in ("ParserException", "BinderException", "CatalogException", "SyntaxException"):
            # These show the query, but no value of a row.
            return self._configuration(f"{_first_lines(text)}{_hint(text)}")
        why = without_addresses(_first_lines(text.partition("\nLINE ")[0]))
        return SourceError(f"{self._name}: the query failed: {why}{_hint(text)}")

    def _configuration(self, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self._name}: {message}")


def _outside(file: str) -> str:
    return (
        f"the query reads {one_line(shown_name(file))}, which is not an input of this "
        "command. Possible fix: name the file on the command line; the query sees the first input "
        "as input, the second as input2, and so on"
    )


def _line_of_csv(text: str, found: re.Match[str]) -> str:
    """Return the line of a file that is no valid CSV, and why, without the line itself."""
    rest = text[found.end() :].partition("Possible")[0].split("\n")
    why = " ".join(each for each in rest[1:] if each.strip())
    file = re.search(r"^ +file = (.*)$", text, re.MULTILINE)
    where = f"{file[1]}:{found[1]}" if file else f"line {found[1]}"
    if cast := _CAST.search(text):
        value, kind = without_addresses(printable(cast[1], _MOST_SHOWN)), cast[2]
        return (
            f'{one_line(where)}: the query cannot convert "{value}" to {kind}. Correct the value, '
            "or use TRY_CAST in the query to read it as NULL"
        )
    reason = without_addresses(one_line(why.strip()))
    return (
        f"{one_line(where)}: the query cannot read this line as CSV ({reason}). "
        "Correct the line, or set --delimiter, --quote and --escape"
    )


def _first_lines(text: str) -> str:
    """Return what an error of DuckDB says, on one line, without candidates and marks."""
    kept = []
    for line in text.split("\n"):
        if line.lstrip().startswith(("Candidate functions", "Candidate Entries", "Possible")):
            break
        if line.strip() and not _MARK.fullmatch(line):
            kept.append(line.strip())
    return one_line(" ".join(kept[:_MOST_LINES]).rstrip(". "))


def _hint(text: str) -> str:
    if "VARCHAR" in text and ("explicit cast" in text or "explicit type casts" in text):
        return (
            ". Cells of CSV are text unless all values of their column are plain numbers; cast "
            "them, as in CAST(price AS DECIMAL(18, 2)) or CAST(day AS DATE)"
        )
    if "Could not convert" in text or "Malformed JSON" in text:
        return ". Correct the value, or use TRY_CAST in the query to read it as NULL"
    return ""
