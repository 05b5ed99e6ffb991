"""What the site does differently from GitHub: links that leave docs/, and bars in tables.

The README and the pages beside it become pages of the site, under `project/`. A link to another
file of the source tree is shown as its text, because the project has no public address yet. A link
to a file that does not exist is left as it is, and fails the strict build.

In a table, GitHub needs a backslash before a bar in code, and Python-Markdown would show it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PROJECT = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md")
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
_TABLE_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CODE = re.compile(r"`[^`]+`")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages beside the README."""
    for name in PROJECT:
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, f"project/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links and the tables of a page."""
    del config, files
    uri = page.file.src_uri
    in_tree = uri.removeprefix("project/") if uri.startswith("project/") else f"docs/{uri}"

    def rewritten(found: re.Match[str]) -> str:
        text, path, anchor = found[1], found[2], found[3] or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(in_tree), path))
        if target in PROJECT:
            shown = f"project/{target}"
        elif target.startswith("docs/") and not target.startswith("docs/cron/"):
            shown = target.removeprefix("docs/")
        elif (ROOT / target).exists():
            return text
        else:
            return found[0]
        return f"[{text}]({posixpath.relpath(shown, posixpath.dirname(uri) or '.')}{anchor})"

    return _TABLE_ROW.sub(_with_plain_bars, _LINK.sub(rewritten, markdown))


def _with_plain_bars(row: re.Match[str]) -> str:
    return _CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0])
