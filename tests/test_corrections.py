"""Rejected rows are corrected in the input itself, as the README says."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT, row, write_rows

from miso_upload.sandbox import Sandbox

ORDERS = (
    "--set", "type=checkout", "--map", "user_id=customer", "--map", "product_ids=skus",
    "--list-separator", " ", "--map", "timestamp=ordered_at", "--timezone", "Europe/Berlin",
    "--map", "revenue=total", "--delimiter", ";",
)  # fmt: skip
ROUTES = '[[routes]]\nmatch = "/**"\ntype = "home_page_view"\n'
LOG = '192.0.2.1 - - [10/Oct/2023:13:55:36 -0700] "GET /{} HTTP/1.1" 200 1 "-" "Browser/1.0"\n'


class Desk:
    """A directory with an input, its own ledgers and a server."""

    def __init__(self, place, sandbox):
        self.place, self.sandbox = place, sandbox

    def upload(self, *args):
        """Run an upload; return its exit code and its first line."""
        environment = {
            **os.environ,
            "MISO_API_KEY": self.sandbox.key,
            "MISO_UPLOAD_SERVER": self.sandbox.url,
            "MISO_UPLOAD_STATE_DIR": str(self.place / "state"),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-m", "miso_upload", *args], cwd=self.place, env=environment,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stdout.partition(" + 0 skipped")[0]


@pytest.fixture
def desk(tmp_path):
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        yield Desk(tmp_path, sandbox)


def test_corrected_rows_of_json_are_sent_and_no_others(desk):
    path = desk.place / "history.jsonl"
    write_rows(path, [row(1), row(2, type="x"), row(3)])
    before = desk.upload("history.jsonl")
    assert before == (1, "3 rows read = 2 accepted + 0 already sent + 1 rejected")
    write_rows(path, map(row, (1, 2, 3)))

    after = desk.upload("history.jsonl")

    assert after == (0, "3 rows read = 1 accepted + 2 already sent + 0 rejected")
    assert len(list(desk.sandbox.records())) == 3
    assert not (desk.place / "history.jsonl.rejects.jsonl").exists()


def test_corrected_cells_of_a_table_are_sent_and_no_others(desk):
    text = (ROOT / "sample_data" / "orders.csv").read_text(encoding="utf-8")
    path = desk.place / "orders.csv"
    path.write_text(text, encoding="utf-8")
    before = desk.upload("orders.csv", *ORDERS)
    assert before == (1, "180 rows read = 179 accepted + 0 already sent + 1 rejected")
    path.write_text(text.replace("n/a", "12.50"), encoding="utf-8")

    after = desk.upload("orders.csv", *ORDERS)

    assert after == (0, "180 rows read = 1 accepted + 179 already sent + 0 rejected")
    assert len(list(desk.sandbox.records())) == 180


def test_corrected_lines_of_a_log_are_sent_and_no_others(desk):
    (desk.place / "web.toml").write_text(f'[options]\npreset = "web-log"\n\n{ROUTES}')
    path = desk.place / "access.log"
    path.write_text(LOG.format("a") + LOG.format("b").replace("Oct", "Okt") + LOG.format("c"))
    before = desk.upload("access.log", "-m", "web.toml", "--max-reject-rate", "1")
    assert before == (1, "3 rows read = 2 accepted + 0 already sent + 1 rejected")
    path.write_text("".join(map(LOG.format, "abc")))

    after = desk.upload("access.log", "-m", "web.toml", "--max-reject-rate", "1")

    assert after == (0, "3 rows read = 1 accepted + 2 already sent + 0 rejected")
    assert len(list(desk.sandbox.records())) == 3
