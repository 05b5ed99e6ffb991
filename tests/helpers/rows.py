"""Rows that are valid records, files of them, and the counts of a summary."""

from __future__ import annotations

import json
import re


def row(number, **changes):
    """Return a valid record that no other number has."""
    return {
        "type": "product_detail_page_view",
        "timestamp": f"2024-05-{number % 28 + 1:02}T10:00:00Z",
        "user_id": f"user-{number}",
        "product_ids": [f"sku-{number}"],
        **changes,
    }


def write_rows(path, rows):
    """Write rows as JSON Lines; text is written as it is."""
    lines = (each if isinstance(each, str) else json.dumps(each) for each in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def last_line(text):
    """Return the last line: of a run that stops, why. Earlier lines depend on time."""
    return text.splitlines()[-1]


def counts_in(summary):
    """Return the numbers of a summary's first line, in its order: rows read, accepted and so on.

    So a test can assert what was counted without the words around it.
    """
    line = summary.partition("\n")[0]
    return [int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*", line)]
