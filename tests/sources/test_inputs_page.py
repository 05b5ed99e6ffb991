"""The sessions in docs/inputs.md match the program."""

import gzip
import re
import shutil
import zipfile
from decimal import Decimal

import pytest
import zstandard
from conftest import ROOT
from readme_sessions import SESSION, replay

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PAGE = ROOT / "docs" / "inputs.md"
CSV = re.compile(r"(?<=```csv\n).*?(?=```)", re.DOTALL)


@pytest.fixture
def directory(tmp_path, s3):
    """Return a directory with the files of the page, whose objects are in the store."""
    history = (ROOT / "sample_data" / "history.jsonl").read_bytes()
    lines = history.splitlines(keepends=True)
    (tmp_path / "history.jsonl.zst").write_bytes(zstandard.compress(history))
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name in ("2024-05.csv", "2024-06.csv"):
            archive.writestr(name, "user_id,type\n")
    (searches,) = CSV.findall(PAGE.read_text(encoding="utf-8"))
    (tmp_path / "searches.csv").write_text(searches)
    orders = {
        "event": ["checkout"],
        "user_id": ["customer-0"],
        "event_time": pa.array([1_714_557_600_000], pa.timestamp("ms", "UTC")),
        "product_ids": [["WW-0000"]],
        "price": pa.array([Decimal("0.99")], pa.decimal128(9, 2)),
    }
    pq.write_table(pa.table(orders), tmp_path / "orders.parquet")
    s3.put("logs/2026-03-02.jsonl.gz", gzip.compress(b"".join(lines[:1200])))
    s3.put("logs/2026-03-03.jsonl.gz", gzip.compress(b"".join(lines[1200:])))
    return tmp_path


@pytest.mark.skipif(shutil.which("sh") is None, reason="the sessions are those of a shell")
def test_sessions_on_the_page_match_the_program(directory):
    written = PAGE.read_text(encoding="utf-8")

    happens = SESSION.sub(lambda found: replay(found[0], directory, "http://127.0.0.1:1"), written)

    assert happens == written
