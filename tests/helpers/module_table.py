"""Writes the table of modules in docs/architecture.md from the first sentences of their docstrings.

Run `python -m tests.helpers.module_table` after adding or moving a module; the suite compares.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "miso_upload"
PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- modules -->\n", "<!-- end of modules -->\n"


def modules():
    """Yield the path of each module within the package, without suffix, and its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix()
        yield name.removesuffix("__init__"), path


def purpose(path):
    """Return the first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).removesuffix(".").replace("|", "\\|")


def with_table(page):
    """Return the text of the page with the table as it should be."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    rows = "".join(
        f"| `{name}` | {purpose(path)} |\n" for name, path in modules() if name and name[0] != "_"
    )
    return f"{before}{START}| module | job |\n|---|---|\n{rows}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
