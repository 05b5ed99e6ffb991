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

# Whole words, in any case; in a name, an underscore ends a word.
NEVER = {
    r"(became|becomes|become) nothing": "unmapped, ignored",
    r"double of Miso|local double": "mock server",
    r"set(s|ting)? (it |them |a row |rows )?aside": "reject; quarantine in the rejects file",
    r"(un)?packed|(un)?packing|unpacks?": "compressed, decompressed",
    r"under way": "in flight, running",
    r"[a-z]*befell[a-z]*": "happened",
    r"mend(s|ed|ing)?": "fix",
    r"anew": "again",
    r"whoever": "anyone who",
    r"wherewith": "with which",
    r"defects? of its own": "internal error",
    r"laid[ _]over|lays? over": "merged, overlaid",
    r"reachers?": "getter",  # codespell:ignore reachers
    r"(attempt|column|row|record|time|line|file|request|cell)\(s\)[a-z0-9]*": "a count, a noun",
    r"1 (other )?(columns|rows|records|attempts|files|lines|requests|cells)": "a singular noun",
    r"unzstd|unxz|gunzip|unzip": "zstd, xz, gzip, zip",
}
# A part of the words that are found, and the beginning of a file's name or a part of the line.
EXCEPTIONS = {
    # Commands of other programs, as their users type them.
    ("gunzip", "docs/"),
    ("unzip", "docs/"),
    ("unzip", "miso_upload/sources/codecs/zip"),
    ("unzip", "tests/sources/__snapshots__/"),
    # Rules have to name what must not be written.
    ("", "tests/helpers/plain_words.py"),
    ("", "Plurals agree:"),
    # Vocabularies of data.
    ("", "miso_upload/drafting/vocabulary.py"),
    # A name of Python's.
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
        word in found and (name.startswith(where) or where in line) for word, where in EXCEPTIONS
    )


def complaints():
    """Yield a line for each word or phrase that is to be replaced."""
    patterns = [
        (re.compile(f"(?<![a-z0-9])(?:{words})(?![a-z0-9])", re.IGNORECASE), better)
        for words, better in NEVER.items()
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
