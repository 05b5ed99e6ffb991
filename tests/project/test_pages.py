"""The README and the pages in docs/ show what happens, and their links lead somewhere."""

import ast
import re
import shutil

import pytest

from tests.helpers import cli_reference, doc_pages
from tests.helpers.paths import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)\s#]*)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(shutil.which("sh") is None, reason="the sessions are those of a shell")
@pytest.mark.parametrize("page", doc_pages.pages())
def test_what_a_page_shows_is_what_happens(page):
    if page == "docs/inputs.md":
        for library in ("pyarrow", "obstore", "moto"):
            pytest.importorskip(library)

    assert doc_pages.replayed(page) == (ROOT / page).read_text(encoding="utf-8")


def test_the_reference_has_the_commands_as_they_are():
    assert cli_reference.PAGE.read_text(encoding="utf-8") == cli_reference.reference()


def anchor_of(heading):
    """Return the anchor of a heading, as GitHub and the site make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def anchors_of(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {anchor_of(found) for found in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_of_a_page_leads_somewhere(page):
    if not (ROOT / ".github").exists():
        pytest.skip("a source archive does not have all files that pages link to")
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor[1:] not in anchors_of(target)
        ):
            broken.append(path + anchor)

    assert broken == []


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 150


def texts_of_the_package():
    """Return all texts in the code, in which … stands for each value that is put in."""
    texts = []
    for path in (ROOT / "miso_upload").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    each.value if isinstance(each, ast.Constant) else "…" for each in node.values
                ]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_the_messages_on_the_page_about_them_are_messages_of_the_program():
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    listed = page.partition("## Numbers that look wrong")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", listed, re.MULTILINE)
    texts = texts_of_the_package()

    assert len(messages) > 40
    assert [
        message
        for message in messages
        if any(part.strip() not in texts for part in message.split("…"))
    ] == []
