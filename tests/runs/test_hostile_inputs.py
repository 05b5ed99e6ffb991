"""The real program on inputs that are made to be too much: what it says, what memory it takes."""

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.rows import counts_in, row

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="memory is measured as POSIX has it"
)
MOST_MEMORY = 300 * 2**20


MEASURED = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "miso_upload", *sys.argv[1:]])
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)
sys.exit(code)
"""
"""Runs the program and prints the most memory it had; a process of its own, since what this one has
would count as what the program had before it began."""


class Outcome:
    """How a dry run ended: its code, what it said, and the most memory that it had, in bytes."""

    def __init__(self, arguments, place):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *map(str, arguments), "--workers", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(place)},
            text=True,
            check=False,
        )
        self.code = done.returncode
        self.text, _, memory = done.stdout.rstrip().rpartition("\n")
        self.memory = int(memory)

    def counts(self):
        """Return how many rows were valid and how many rejected."""
        (counts,) = (
            counts_in(line)
            for line in self.text.splitlines()
            if line[:1].isdigit() and len(counts_in(line)) == 4
        )
        return tuple(counts[1:3])


@pytest.fixture
def dry_run(tmp_path):
    def run(content, *options, name="input.jsonl"):
        path = tmp_path / name
        path.write_bytes(content)
        found = Outcome((path, "--dry-run", "--max-reject-rate", "1", *options), tmp_path)
        assert "Traceback" not in found.text
        assert max(map(len, found.text.splitlines())) < 1_000
        return found

    return run


GOOD = [json.dumps(row(number)).encode() for number in range(4)]


def between_good_rows(*bad):
    return b"\n".join([*GOOD[:2], *bad, *GOOD[2:], b""])


@pytest.mark.parametrize(
    "bad",
    [
        b'{"type": "' + b"x" * 100_000_000 + b'"}',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 1_000_000,
        b'{"type": "like", "revenue": ' + b"9" * 1_000_000 + b"}",
        b'{"type": "like", "revenue": NaN}',
        b'{"type": "like", "revenue": Infinity}',
        b'{"type": "like", "user_id": "\xff\xfe"}',
        b'{"type": "like", "user_id": "a\0b"}',
        b'{"type": "like", "user_id": "\\ud800"}',
        b"{" + b"\0" * 1_000_000,
        b'{"type": "' + b"a" * 1_000_000 + b'"}',
        json.dumps(dict.fromkeys(map(str, range(50_000)), 1)).encode(),
        json.dumps({**row(9), "product_ids": [1] * 500_000}).encode(),
    ],
    ids=lambda value: value[:12].decode(errors="replace") if isinstance(value, bytes) else value,
)
def test_a_row_that_is_too_much_costs_itself_only(dry_run, bad, golden):
    found = dry_run(between_good_rows(bad))

    assert (found.code, found.counts()) == (1, (4, 1))
    assert [line for line in found.text.splitlines() if "input.jsonl:3:" in line] == golden
    assert found.memory < MOST_MEMORY


def test_a_key_that_comes_twice_counts_as_the_last(dry_run):
    bad = json.dumps(row(5)).replace("{", '{"type": "nonsense", ').encode()

    assert dry_run(between_good_rows(bad)).counts() == (5, 0)


def test_a_bomb_of_a_gigabyte_on_one_line_is_one_rejected_row(dry_run):
    piece = b"0" * 2**20
    compressed = gzip.compress(b"\n".join(GOOD) + b"\n") + gzip.compress(piece) * 1024

    found = dry_run(compressed, name="input.jsonl.gz")

    assert (found.code, found.counts()) == (1, (4, 1))
    assert "(--max-row-bytes)" in found.text
    assert found.memory < MOST_MEMORY


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_on_one_line_is_one_rejected_row(dry_run, kind):
    piece = b"0" * 2**20
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", kind) as whole, whole.open("rows.jsonl", "w") as member:
        member.write(b"\n".join(GOOD) + b"\n")
        for _ in range(320):  # MiB, more than the most memory
            member.write(piece)

    found = dry_run(archive.getvalue(), name="input.zip")

    assert (found.code, found.counts()) == (1, (4, 1))
    assert "(--max-row-bytes)" in found.text
    assert found.memory < MOST_MEMORY


def parquet_of(title, **options):
    arrow = pytest.importorskip("pyarrow")
    records = [{**row(number), "title": each} for number, each in enumerate(title)]
    file = io.BytesIO()
    table = arrow.Table.from_pylist(records)
    pytest.importorskip("pyarrow.parquet").write_table(table, file, compression="zstd", **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False, "write_batch_size": 1}])
def test_a_large_value_that_many_rows_of_a_parquet_file_share_is_in_memory_once(dry_run, options):
    data = parquet_of(["x" * 1_700_000] * 200, **options)
    assert len(data) < 50_000

    found = dry_run(data, name="input.parquet")

    assert (found.code, found.counts()) == (0, (200, 0))
    assert found.memory < MOST_MEMORY


def test_a_value_of_a_parquet_file_that_is_too_long_costs_its_row_only(dry_run, golden):
    found = dry_run(parquet_of(["a", "x" * 10_000_000, "b"]), name="input.parquet")

    assert (found.code, found.counts()) == (1, (2, 1))
    assert [line for line in found.text.splitlines() if "input.parquet:2:" in line] == golden
    assert found.memory < MOST_MEMORY


def test_a_page_of_a_parquet_file_that_is_too_large_is_not_decompressed(dry_run, golden):
    data = parquet_of(["x" * 1_000_000] * 300, use_dictionary=False)

    found = dry_run(data, name="input.parquet")

    assert found.code == 2
    assert found.text == golden
    assert found.memory < MOST_MEMORY


def test_gigabytes_of_nuls_before_and_between_rows_take_no_memory(dry_run, tmp_path, golden):
    path = tmp_path / "sparse.jsonl"
    with path.open("wb") as file:
        for good in GOOD:
            file.seek(100_000_000, 1)
            file.write(good + b"\n")

    found = Outcome((path, "--dry-run"), tmp_path)

    assert (found.code, found.counts()) == (0, (4, 0))
    assert [line for line in found.text.splitlines() if "400,000,000" in line] == golden
    assert found.memory < MOST_MEMORY


def test_a_quote_that_would_swallow_the_file_is_a_character_of_its_line(dry_run, golden):
    line = b"like,2025-03-01T09:30:00Z,u,sku\n"
    table = b"type,timestamp,user_id,product_ids\n" + line
    table += b'like,2025-03-01T09:30:00Z,"u,sku\n' + line * 1_000_000

    found = dry_run(table, name="input.csv")

    assert (found.code, found.counts()) == (0, (1_000_002, 0))
    assert [line for line in found.text.splitlines() if "a quote breaks" in line][-1] == golden
    assert found.memory < MOST_MEMORY


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--chunk-size", "7")])
def test_a_quote_that_closes_thousands_of_rows_later_swallows_none(dry_run, options, golden):
    lines = [b"search,2025-03-01T09:30:00Z,u%d,word\n" % number for number in range(10_000)]
    lines[5_949] = lines[5_949].replace(b"word", b'"word')
    lines[9_989] = lines[9_989].replace(b"word", b'word"')
    table = b"type,timestamp,user_id,search.keywords\n" + b"".join(lines)

    found = dry_run(table, *options, name="input.csv")
    decided = dry_run(table, *options, "--quote", "none", name="input.csv")

    assert (found.code, found.counts()) == (1, (5_959, 4_041))
    assert found.text.splitlines()[-1] == golden
    assert (decided.code, decided.counts()) == (0, (10_000, 0))


def test_fifty_thousand_columns_are_read_like_any(dry_run):
    names = ["type", "timestamp", "user_id", *(f"column{number}" for number in range(50_000))]
    cells = ["like", "2025-03-01T09:30:00Z", "u", *["x"] * 50_000]
    lines = [",".join(names), *[",".join(cells)] * 50, "like,now", ""]

    found = dry_run("\n".join(lines).encode(), name="input.csv")

    assert (found.code, found.counts()) == (1, (50, 1))
    assert found.memory < MOST_MEMORY


@pytest.mark.parametrize(
    "mapping",
    [
        'skip = [{ name = "x", column = "user_id", like = ["' + "*a" * 500 + '*b"] }]',
        '[[routes]]\nmatch = "' + "/**/{user_id}" + '"\ntype = "like"\n[routing]\nurl = "user_id"',
        "ignore = [" + '"column", ' * 50_000 + "]",
    ],
    ids=["a pattern of stars", "a route of stars", "a long list"],
)
def test_no_mapping_file_makes_it_hang(dry_run, tmp_path, mapping):
    (tmp_path / "mapping.toml").write_text(mapping)
    rows = [json.dumps({**row(1), "user_id": "a/" * 200 + "a" * 100}).encode()] * 100

    found = dry_run(b"\n".join(rows), "-m", tmp_path / "mapping.toml")

    assert found.code in (0, 1, 2)
    assert found.memory < 2 * MOST_MEMORY


def test_a_mapping_file_that_is_nested_too_deeply_is_told_so(dry_run, tmp_path, golden):
    Path(tmp_path / "mapping.toml").write_text("ignore = " + "[" * 100_000)

    found = dry_run(GOOD[0], "-m", tmp_path / "mapping.toml")

    assert found.code == 2
    assert found.text == golden
