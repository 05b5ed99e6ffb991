"""The structure that docs/architecture.md draws is the one that the code has."""

from __future__ import annotations

import ast
import re

import pytest
from conftest import ROOT

from miso_upload import errors

PACKAGE = ROOT / "miso_upload"
MOST_LINES = 410

OWNERS = {
    "click": {"cli"},
    "requests": {"delivery.client"},
    "urllib3": {"delivery.client"},
    "sqlite3": {"ledger", "sandbox.store"},
    "rich": {"progress"},
    "orjson": {"encoding"},
    "xxhash": {"hashing"},
    "jsonschema": {"document_check"},
    "tomllib": {"mapping.file"},
    "jsonschema_rs": {"validation"},
    "filelock": {"locking"},
    "platformdirs": {"settings"},
    "isal": {"sources.gunzip", "sources.again"},
    "zstandard": {"sources.unzstd"},
    "bz2": {"sources.unxz"},
    "lzma": {"sources.unxz", "sources.unzip", "sources.zip_members"},
    "zipfile": {"sources.unzip"},
    "pyarrow": {"sources.parquet"},
    "obstore": {"sources.remote_stores"},
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
    "csv": {"formats.dialect", "formats.first_row"},
    "zoneinfo": {"timestamps"},
    "crawleruseragents": {"bots"},
    "ipaddress": {
        "targets",
        "addresses",
        "delivery.client",
        "sandbox.server",
        "sources.remote_stores",
    },
}

# From the bottom up; a room may import from rooms below its own line only.
RANKS = (
    {
        "errors",
        "encoding",
        "hashing",
        "keyed",
        "file_identity",
        "settings",
        "line_ranges",
        "accounting",
        "stopping",
        "stopwatch",
        "sitemap",
        "bots",
        "modes",
    },
    {
        "targets",
        "mounts",
        "time_formats",
        "locking",
        "quoting",
        "records",
        "json_schema",
        "shipped",
        "addresses",
        "content_secret",
        "authorities",
    },
    {
        "timestamps",
        "regular_times",
        "identity",
        "outcomes",
        "document_check",
        "listener",
        "user_code",
        "report_text",
        "report_json",
    },
    {"schema", "canonical"},
    {"canonical_times", "regular_values"},
    {"formats", "validation", "advice", "canonical_lines"},
    {"sources", "mapping"},
    {
        "transform",
        "content_keys",
        "delivery",
        "ledger",
        "rejects",
        "report",
        "report_file",
        "progress",
        "catalog",
        "selecting",
        "overlaps",
        "junk",
        "opening",
        "stages",
        "workers",
        "inference",
    },
    {"job_changes"},
    {"resume", "open_source"},
    {"comparing", "pipeline_options"},
    {"next_steps", "sandbox", "pipeline", "recipe", "preview", "state", "file_roles"},
    {"assembly", "archive"},
    {"inspection"},
    {"forgetting"},
    {"cli"},
)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def runtime_imports(path):
    """Yield the dotted names that a module imports when it runs, and not for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room(name):
    return name.split(".")[0]


def rank(name):
    return next((place for place, rooms in enumerate(RANKS) if room(name) in rooms), None)


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_one_owner(library):
    users = {
        name
        for name, path in modules()
        if any(found.split(".")[0] == library for found in runtime_imports(path))
    }

    allowed = OWNERS[library]
    assert all(name in allowed or room(name) in allowed for name in users), users


@pytest.mark.parametrize(
    ("name", "path"), [pair for pair in modules() if rank(pair[0]) is not None]
)
def test_imports_go_strictly_downward(name, path):
    ours = [found.removeprefix("miso_upload.") for found in runtime_imports(path)
            if found.startswith("miso_upload.")]  # fmt: skip

    upward = [found for found in ours if room(found) != room(name) and rank(found) >= rank(name)]
    assert upward == []


def test_every_room_has_its_rank():
    unranked = [name for name, _ in modules() if rank(name) is None]

    assert unranked == ["__init__", "__main__"]


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


def test_the_architecture_page_names_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    missing = [name for rooms in RANKS for name in rooms if f"`{name}" not in page]
    assert missing == []


def tree_of(error, depth=0):
    yield error.__name__, depth
    for kind in error.__subclasses__():
        yield from tree_of(kind, depth + 1)


def test_the_tree_of_errors_is_that_of_the_classes():
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+Error)", errors.__doc__, re.MULTILINE)

    of_classes = dict(tree_of(errors.MisoUploadError))
    assert {name: len(indent) // 4 for indent, name in drawn} == of_classes
