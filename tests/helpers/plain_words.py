"""Finds words and phrases that the project does not use, and proposes others.

`make check` runs it over the package, the tests, the documentation and every other file that a
person reads. CONTRIBUTING.md says how we write.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

NEVER = {
    r"\b(which|that|what) (became|becomes|become) nothing\b|\b(became|becomes|become) nothing\b": (
        "unmapped, ignored"
    ),
    r"\b(local |a |the )?double of Miso\b|\blocal double\b": "mock server",
    r"\bset(s|ting)? (it |them |a row |rows )?aside\b": "reject; quarantine in the rejects file",
    r"\b(un)?packed\b|\b(un)?packing\b|\bunpacks?\b": "compressed, decompressed",
    r"\bunder way\b": "in flight, running",
    r"\bbefell\b|befell": "happened",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\bwhoever\b": "anyone who",
    r"\bwherewith\b": "with which",
    r"\bdefects? of its own\b": "internal error",
    r"\blaid[ _]over\b|\blays? over\b": "merged, overlaid",
    r"\breachers?\b": "getter",
    r"\b(attempt|column|row|record|time|line|file|request|cell)\(s\)": "a count with its noun",
    r"\b1 (other )?(columns|rows|records|attempts|files|lines|requests|cells)\b": "a singular noun",
    r"\bunzstd\b|\bunxz\b|\bgunzip\b|\bunzip\b": "zstd, xz, gzip, zip",
}
EXCEPTIONS = {
    # Names of other people's programs, as their users type them.
    ("gunzip", "docs/"),
    ("unzip", "docs/"),
    ("unzip", "miso_upload/sources/codecs/zip"),
    ("unzip", "tests/sources/__snapshots__/"),
    # What must not be written has to be named here.
    ("", "tests/helpers/plain_words.py"),
    ("", "Plurals agree:"),
    # Vocabularies of data.
    ("", "miso_upload/drafting/vocabulary.py"),
    # SQLite's and Python's own names.
    ("unpack", "struct."),
}
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".ambr", ".txt", ".json", ""}
LEFT_OUT = ("tests/presets/specimens/", "sample_data/", "schemas/", "LICENSE", "constraints.txt")


def tracked():
    """Yield the files that a reader may see."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if Path(name).suffix in SUFFIXES and not name.startswith(LEFT_OUT):
            yield name


def is_exception(found, name, line):
    return any(
        (not word or word in found) and (name.startswith(where) or where in line)
        for word, where in EXCEPTIONS
    )


def complaints():
    """Yield a line for each word or phrase that is to be replaced."""
    patterns = [
        # In a name, an underscore ends a word too.
        (
            re.compile(pattern.replace(r"\b", "(?:(?<![a-z0-9])|(?![a-z0-9]))"), re.IGNORECASE),
            better,
        )
        for pattern, better in NEVER.items()
    ]
    for name in tracked():
        path = ROOT / name
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, better in patterns:
                for found in pattern.finditer(line):
                    if not is_exception(found[0], name, line):
                        yield f"{name}:{number}: {found[0]!r}: write {better}"


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found))
    sys.exit(1 if found else 0)
