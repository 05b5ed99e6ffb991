"""docs/architecture.md lists every module; import-linter holds the direction of imports."""

from __future__ import annotations

import ast
import re

import pytest

from miso_upload import errors
from tests.helpers.module_table import PAGE, modules, with_table

MOST_LINES = 410


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_no_module_is_too_long_to_read(name, path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, name


def exceptions_made_at_import(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for call in ast.walk(node) if isinstance(node, ast.Assign | ast.AnnAssign) else ():
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(
                ("Error", "Exception", "SkipRow", "StopReading")
            ):
                yield ast.unparse(node)


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_no_exception_is_raised_twice(name, path):
    # Each time that it is raised it keeps the frames it passed, and with them what they hold.
    assert list(exceptions_made_at_import(path)) == [], name


def test_the_architecture_page_lists_every_module_with_its_job():
    written = PAGE.read_text(encoding="utf-8")

    assert with_table(written) == written


def tree_of(error, depth=0):
    yield error.__name__, depth
    for kind in error.__subclasses__():
        yield from tree_of(kind, depth + 1)


def test_the_tree_of_errors_is_that_of_the_classes():
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+Error)", errors.__doc__, re.MULTILINE)

    of_classes = dict(tree_of(errors.MisoUploadError))
    assert {name: len(indent) // 4 for indent, name in drawn} == of_classes
