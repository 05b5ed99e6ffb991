"""Renders the sandbox's counts as an HTML page without scripts or external resources."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>miso-upload sandbox</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; }}
table {{ border-collapse: collapse; width: 100%; }}
caption {{ text-align: left; font-weight: 600; padding-top: 1.5rem; }}
th, td {{ padding: .25rem 0; border-bottom: 1px solid #8884; }}
th {{ text-align: left; font-weight: 400; }}
td {{ text-align: right; font-variant-numeric: tabular-nums; }}
</style>
<h1>miso-upload sandbox</h1>
<p>A mock server of Miso's interaction endpoint. Nothing sent here reaches Miso.</p>
{tables}
</html>
"""


def render_page(counts: Mapping[str, Any]) -> str:
    """Return the counts of a store as one HTML page."""
    totals = {
        name.replace("_", " "): value
        for name, value in counts.items()
        if not isinstance(value, dict)
    }
    groups = {name: value for name, value in counts.items() if isinstance(value, dict) and value}
    tables = [_table("Totals", totals)]
    tables += [_table(name.capitalize(), numbers) for name, numbers in groups.items()]
    return _PAGE.format(tables="\n".join(tables))


def _table(caption: str, numbers: Mapping[str, Any]) -> str:
    rows = "\n".join(_rows(numbers))
    return f"<table>\n<caption>{escape(caption)}</caption>\n{rows}\n</table>"


def _rows(numbers: Mapping[str, Any]) -> Iterator[str]:
    for name, value in numbers.items():
        shown = f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)
        yield f'<tr><th scope="row">{escape(name)}</th><td>{escape(shown)}</td></tr>'
