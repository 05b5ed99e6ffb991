"""The page on reliability links each fault to the test that shows it, and those tests exist."""

import re

from tests.helpers.paths import ROOT

PAGE = ROOT / "docs" / "reliability.md"
LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


def links():
    return LINK.findall(PAGE.read_text(encoding="utf-8"))


def test_each_test_that_the_page_names_exists():
    missing = [
        f"{path}::{name}"
        for name, path in links()
        if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]

    assert links()
    assert missing == []


def test_each_file_of_the_fault_matrix_is_on_the_page():
    linked = {path for _, path in links()}
    files = {f"tests/faults/{path.name}" for path in (ROOT / "tests/faults").glob("test_*.py")}

    assert files - linked == set()


def test_each_figure_on_the_page_names_the_program_that_made_it():
    programs = re.findall(r"python (benchmarks/\w+\.py)", PAGE.read_text(encoding="utf-8"))

    assert set(programs) == {
        "benchmarks/adaptive_concurrency.py",
        "benchmarks/fault_matrix.py",
        "benchmarks/soak.py",
    }
    assert all((ROOT / program).is_file() for program in programs)
