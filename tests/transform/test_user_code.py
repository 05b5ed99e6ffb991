import json
import math
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload import Settings, check
from miso_upload.errors import ConfigurationError
from miso_upload.pipeline.job import Job
from miso_upload.records import Block, Reason
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.dialect import Dialect
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.transform.hook import UserCode, read_user_code
from miso_upload.values.json import decode_joined, encode
from tests.helpers.paths import ROOT
from tests.helpers.rows import row, write_rows


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write `my_map.py` in a place of its own, and return its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write_code(text, name="my_map.py"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write_code


@pytest.fixture
def apply(write):
    """Apply a body of `transform(row)`, which starts in line 2, to rows."""

    def apply_body(body, *rows):
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        code = read_user_code(write(f"def transform(row):\n{lines}"))
        return code.apply(list(rows) or [{"id": 1}])

    return apply_body


def returning(value):
    """Return the code for a function that returns `value` under the name `x`."""
    return UserCode("my_map.py", "/nowhere", b"def transform(row): return row['it']()").apply(
        [{"it": lambda: {"x": value}}]
    )[0]


class Source:
    """As much of a source as a recipe needs."""

    def __init__(self, rows):
        self.format = rows


def batch_of(settings, rows, data):
    lines = data.count(b"\n")
    return Job(settings).transform(Source(rows))(Block(1, 0, len(data), 1, lines, data))


def lines_of(rows):
    return b"".join(encode(each) + b"\n" for each in rows)


JSONL = JsonLines(2**20)


# -- what the function does ------------------------------------------------------------------------


def test_the_returned_row_replaces_the_row(apply):
    assert apply("return {'user_id': row['id']}", {"id": "a"}, {"id": "b"}) == [
        {"user_id": "a"},
        {"user_id": "b"},
    ]


def test_the_row_may_be_changed_and_returned(apply):
    assert apply("row['n'] = row.pop('id') + 1\nreturn row") == [{"n": 2}]


def test_none_skips_the_row(apply):
    assert apply("return None") == [None]


def test_what_is_printed_goes_to_stderr(apply, capsys):
    apply("import sys\nprint('looked', row)\nsys.stdout.write('again')\nreturn row")

    assert capsys.readouterr() == ("", "looked {'id': 1}\nagain")


def test_a_row_that_is_no_object_is_not_passed_to_the_function(apply, golden):
    (found,) = apply("raise AssertionError", [1, 2])

    assert found.text == golden


@pytest.mark.parametrize("value", ["{1}", "'text'", "True"])
def test_a_returned_value_other_than_a_dict_a_list_or_none_rejects_the_row(apply, value, golden):
    (found,) = apply(f"return {value}")

    assert found.text == golden


# -- what goes wrong in it -------------------------------------------------------------------------


def test_an_exception_is_reported_by_type_message_and_line(apply, golden):
    (found,) = apply("price = row['price']\nreturn {'revenue': float(price)}", {"price": "n/a"})

    assert found.text == golden
    assert found.group == golden


def test_an_exception_of_an_imported_module_is_reported_with_the_calling_line(write, golden):
    write("def tidy(row):\n    return row['nothing']\n", "tidying_1.py")
    name = write("from tidying_1 import tidy\n\ndef transform(row):\n    return tidy(row)\n")

    (found,) = read_user_code(name).apply([{}])

    assert found.text == golden


@pytest.mark.parametrize(
    "address", ["203.0.113.42", "2001:db8::42", "visitor 203.0.113.42 of 198.51.100.7"]
)
def test_an_exception_shows_no_address(apply, address, golden):
    (found,) = apply(f"raise ValueError({address!r} + ' is odd')")

    assert found.text == golden
    assert "113" not in found.text
    assert "2001" not in found.text


def test_the_message_of_an_exception_is_escaped_and_cut(apply):
    (found,) = apply("raise ValueError('\\x1b[2J\\n' + 'x' * 10_000)")

    assert found.text.isprintable()
    assert len(found.text) < 250


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("raise SystemExit(3)", "SystemExit"),
        ("import sys\nsys.exit()", "SystemExit"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("return transform(row)", "RecursionError"),
        ("class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd", "Odd"),
    ],
)
def test_any_exception_rejects_only_the_row(apply, code, kind):
    found = apply(code, {"id": 1}, {"id": 2})

    assert [each.about.split()[-1] for each in found] == [kind, kind]


def test_ctrl_c_is_no_problem_of_the_row(apply):
    with pytest.raises(KeyboardInterrupt):
        apply("raise KeyboardInterrupt")


# -- what JSON cannot say --------------------------------------------------------------------------


class Kind(StrEnum):
    """An enumeration that is text."""

    SEEN = "seen"


class Chatty(dict):
    """A dict of the user's own."""


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (datetime(2024, 5, 1, 10, tzinfo=UTC), "2024-05-01T10:00:00+00:00"),
        (datetime(2024, 5, 1, 10), "2024-05-01T10:00:00"),  # noqa: DTZ001 -- without a zone
        (date(2024, 5, 1), "2024-05-01"),
        (("a", ("b",)), ["a", ["b"]]),
        (Kind.SEEN, "seen"),
        (Chatty(a=1), {"a": 1}),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
    ],
)
def test_dates_and_subclasses_are_converted_to_json_values(value, plain):
    found = returning(value)

    assert found == {"x": plain}
    assert type(found["x"]) is type(plain)


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.5"),
        {1},
        b"x",
        datetime(2024, 5, 1, 10, tzinfo=UTC).time(),
        object,
        math.nan,
        -math.inf,
        2**64,
        {1: "x"},
    ],
)
def test_other_values_are_reported_with_their_path(value, golden):
    assert returning(value).text == golden
    nested = returning([{"y": value}])
    assert nested.text == golden


def nest(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def loop():
    value = {}
    value["itself"] = value
    return value


@pytest.mark.parametrize("value", [nest(300), nest(50_000), loop(), "half \ud800", {"\udfff": 1}])
def test_values_that_cannot_be_encoded_are_a_problem(value):
    assert isinstance(returning(value), Reason)


def test_a_value_that_raises_when_read_is_a_problem(golden):
    class Broken(dict):
        def items(self):
            raise ValueError("203.0.113.42")

    assert returning(Broken()).text == golden


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary()
        | st.datetimes() | st.decimals() | st.characters(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)
        | st.tuples(inner) | st.frozensets(st.integers()),
        max_leaves=8,
    )
)  # fmt: skip
def test_whatever_is_returned_is_json_or_a_problem(value):
    found = returning(value)

    if not isinstance(found, Reason):
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert encode(found)


# -- loading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x = (\n",
        "\n\ndef transform(row)\n    pass\n",
        "import nothing_called_so\n",
        "\nint('203.0.113.42')\n",
        "raise SystemExit\n",
        "def transfrom(row): pass\n",
        "transform = 3\n",
        "\ndef transform(): pass\n",
        "def transform(a, b): pass\n",
        "def transform(*, row): pass\n",
        "async def transform(row): pass\n",
        "def transform(row): yield row\n",
    ],
)
def test_an_unusable_file_is_reported_with_its_line(write, text, golden):
    with pytest.raises(ConfigurationError) as caught:
        read_user_code(write(text))

    assert str(caught.value) == golden
    assert "203.0" not in str(caught.value)


def test_a_file_with_a_nul_cannot_be_used(write):
    with pytest.raises(ConfigurationError, match=r"my_map\.py"):
        read_user_code(write("a\0b"))


@pytest.mark.parametrize("name", ["missing.py", ".", "a\0b"])
def test_an_unreadable_file_is_reported_with_its_option(name, golden):
    with pytest.raises(ConfigurationError) as caught:
        read_user_code(name)
    assert str(caught.value) == golden


@pytest.mark.parametrize(
    "text",
    [
        "def transform(row, more=1, *rest, **others): return row",
        "transform = dict",
        "class Tidy:\n    def __call__(self, row): return row\ntransform = Tidy()",
        "from functools import partial\ntransform = partial(lambda a, row: row, 1)",
        "# coding: latin-1\ntransform = lambda row: row",
    ],
)
def test_any_callable_that_takes_a_row_works(write, text):
    assert read_user_code(write(text)).apply([{"a": 1}]) == [{"a": 1}]


def test_modules_beside_the_file_can_be_imported_later_too(write):
    write("NAME = 'first'\n", "beside_1.py")
    write("NAME = 'second'\n", "beside_2.py")
    code = read_user_code(
        write(
            "from beside_1 import NAME\n"
            "def transform(row):\n    import beside_2\n    return {'x': NAME + beside_2.NAME}\n"
        )
    )

    assert code.apply([{}]) == [{"x": "firstsecond"}]


def test_modules_beside_the_file_replace_no_others_after_loading(write, tmp_path):
    read_user_code(write("def transform(row): return row\n"))

    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1


def test_the_file_may_have_the_name_of_a_module(write):
    import decimal

    code = read_user_code(write("def transform(row): return {}\n", "decimal.py"))

    assert code.apply([{}]) == [{}]
    assert sys.modules["decimal"] is decimal


def test_the_file_is_not_main_and_has_its_path(write, tmp_path):
    code = read_user_code(
        write(
            "if __name__ == '__main__':\n    raise SystemExit\n"
            "def transform(row): return {'x': __file__}\n"
        )
    )

    assert code.apply([{}]) == [{"x": str(tmp_path / "my_map.py")}]


def test_dataclasses_with_annotations_as_text_work(write):
    code = read_user_code(
        write(
            "from __future__ import annotations\n"
            "from dataclasses import dataclass, asdict\n"
            "@dataclass\nclass Made:\n    x: int\n"
            "def transform(row): return asdict(Made(1))\n"
        )
    )

    assert code.apply([{}]) == [{"x": 1}]


def test_what_is_printed_while_it_loads_goes_to_stderr(write, capsys):
    read_user_code(write("print('loading')\ndef transform(row): return row\n"))

    assert capsys.readouterr() == ("", "loading\n")


def test_another_process_runs_the_same_text_after_the_file_changed(write, tmp_path):
    write("NAME = 'beside'\n", "beside_3.py")
    code = read_user_code(
        write("from beside_3 import NAME\ndef transform(row): return {'x': NAME}\n")
    )
    (tmp_path / "code").write_bytes(pickle.dumps(code))
    (tmp_path / "my_map.py").unlink()

    script = "import pickle; print(pickle.load(open('code', 'rb')).apply([{}]))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    assert done.stdout == "[{'x': 'beside'}]\n"


def test_many_blocks_run_the_file_once(write, capsys):
    code = read_user_code(write("print('once')\ndef transform(row): return row\n"))

    for _ in range(3):
        pickle.loads(pickle.dumps(code))

    assert capsys.readouterr().err == "once\n"


# -- in a transform --------------------------------------------------------------------------------


def test_a_full_record_is_mapped_automatically(write):
    name = write("def transform(row):\n    return {**row, 'type': 'like'}\n")
    rows = [row(number, type="seen") for number in range(600)]

    batch = batch_of(Settings.of(inputs=(), transform=name), JSONL, lines_of(rows))

    assert decode_joined(batch.slices) == [{**each, "type": "like"} for each in rows]
    assert list(batch.lines) == list(range(1, 601))


def test_a_mapping_applies_to_what_is_returned(write):
    name = write("def transform(row):\n    return {**row, 'who': row['id'].strip()}\n")
    settings = Settings.of(inputs=(), transform=name, map=("user_id=who",), set=("type=like",))
    rows = [{"id": " u ", "timestamp": "2024-05-01T10:00:00Z", "product_ids": ["a"]}]

    batch = batch_of(settings, JSONL, lines_of(rows))

    assert [each["user_id"] for each in decode_joined(batch.slices)] == ["u"]


def test_returned_cells_are_converted_and_columns_may_be_new(write):
    name = write("def transform(row):\n    row['product_ids'] = row.pop('sku')\n    return row\n")
    csv = Delimited(Dialect(","), ("type", "timestamp", "user_id", "sku", "revenue"), 2**20)

    batch = batch_of(
        Settings.of(inputs=(), transform=name, list_separator=" ", map=("rating=new",)),
        csv,
        b"checkout,2024-05-01T10:00:00Z,u,a b,9.5\nlike,2024-05-01T10:00:00Z,u,a,\n",
    )

    assert [each["product_ids"] for each in decode_joined(batch.slices)] == [["a", "b"], ["a"]]
    assert decode_joined(batch.slices)[0]["revenue"] == 9.5


def test_every_row_is_accounted_for_and_rejected_ones_are_unchanged(write):
    name = write(
        "def transform(row):\n"
        "    kind = row.pop('kind')\n"
        "    row.get('context', {})['seen'] = True\n"
        "    if kind == 'out':\n        return None\n"
        "    if kind == 'bad':\n        return {**row, 'type': 'nothing'}\n"
        "    if kind == 'error':\n        return {'x': 1 / 0}\n"
        "    return {row['user_id']} if kind == 'list' else row\n"
    )
    kinds = ["good", "out", "bad", "error", "list", "good", "out"] * 100
    rows = [row(n, kind=kind, context={"locale": "de"}) for n, kind in enumerate(kinds)]
    data = lines_of(rows) + b"broken\n[1]\n"

    batch = batch_of(Settings.of(inputs=(), transform=name), JSONL, data)

    assert (batch.rows, len(batch.lines), batch.skipped, len(batch.rejections)) == (
        702, 200, 200, 302,
    )  # fmt: skip
    assert list(batch.findings.skipped.values()) == [200]
    assert [each.line for each in batch.rejections] == sorted(
        [n for n, kind in enumerate(kinds, 1) if kind in ("bad", "error", "list")] + [701, 702]
    )
    for each in batch.rejections:
        assert (
            each.row == ["broken", [1]][each.line - 701]
            if each.line > 700
            else (rows[each.line - 1])
        )


def test_the_text_of_the_transform_is_part_of_the_job_fingerprint(write):
    def recipe(text, name="my_map.py"):
        return Job(Settings.of(inputs=(), transform=write(text, name))).fingerprint(Source(JSONL))

    first = recipe("def transform(row): return row\n")

    assert recipe("def transform(row): return row\n", "renamed.py") == first
    assert recipe("def transform(row): return None\n") != first
    assert "--transform=" in first


def test_a_dry_run_counts_rows_that_the_function_skips(write, tmp_path):
    name = write("def transform(row):\n    return row if row['user_id'] != 'user-2' else None\n")
    history = write_rows(tmp_path / "h.jsonl", [row(1), row(2), row(3)])

    summary = check(Settings.of(inputs=(str(history),), transform=name))

    assert (summary.totals.rows, summary.totals.pending, summary.totals.skipped) == (3, 2, 1)


def test_a_mapping_file_can_name_it(run, write, tmp_path):
    write("def transform(row):\n    print('hello')\n    return row\n")
    write('[options]\ntransform = "my_map.py"\ndry_run = true\n', "job.toml")
    write_rows(tmp_path / "h.jsonl", [row(1)])

    done = run("h.jsonl", "--config", "job.toml", "--json", env={"PYTHONPATH": str(ROOT)})

    assert json.loads(done.stdout)["totals"]["rows"] == 1
    assert "hello" in done.stderr


def test_preview_shows_returned_and_skipped_rows(run, write, tmp_path, golden):
    name = write("def transform(row):\n    return None if row['n'] else {**row, 'type': 'like'}\n")
    write_rows(tmp_path / "h.jsonl", [row(1, n=0), row(2, n=1)])

    shown = run("preview", "h.jsonl", "--transform", name).stdout

    assert shown == golden


def test_nothing_is_sent_if_the_file_cannot_be_loaded(run, write, tmp_path, golden):
    write_rows(tmp_path / "h.jsonl", [row(1)])

    done = run("h.jsonl", "--transform", write("def transform(row:\n"), "--sandbox")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == golden
