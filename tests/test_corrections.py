"""Rejected rows are corrected in the input itself, and the same command sends these rows only."""

import shutil

import pytest
from click.testing import CliRunner
from conftest import ROOT, row, write_rows

from miso_upload.cli.commands import program
from miso_upload.sandbox import Sandbox

LOG = '192.0.2.1 - - [10/Oct/2023:13:55:36 -0700] "GET /{} HTTP/1.1" 200 1 "-" "Mozilla/5.0"'
ROUTES = '[[routes]]\nmatch = "/**"\ntype = "home_page_view"\n'
ORDERS = (
    "--set", "type=checkout", "--map", "user_id=customer", "--map", "product_ids=skus",
    "--list-separator", " ", "--map", "timestamp=ordered_at", "--timezone", "Europe/Berlin",
    "--map", "revenue=total",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sandbox():
    with Sandbox(key="key") as running:
        yield running


@pytest.fixture
def upload(sandbox):
    """Return a function that uploads, and returns the equation."""

    def run(name, *options):
        env = {"MISO_API_KEY": "key", "MISO_UPLOAD_SERVER": sandbox.url}
        done = CliRunner().invoke(program, [str(name), "--max-reject-rate", "1", *options], env=env)
        return done.stdout.splitlines()[0]

    return run


def correct(path, wrong, right):
    """Edit a file as a person would."""
    path.write_text(path.read_text(encoding="utf-8").replace(wrong, right), encoding="utf-8")


def test_a_row_of_json(upload, tmp_path, sandbox):
    history = write_rows(tmp_path / "h.jsonl", [row(1), row(2, type="x"), row(3)])
    assert "= 2 accepted + 0 already sent + 1 rejected" in upload(history)

    correct(history, '"x"', '"like"')

    assert "= 1 accepted + 2 already sent + 0 rejected" in upload(history)
    assert [each["type"] for each in sandbox.records()][2:] == ["like"]


def test_a_cell_of_a_table(upload, tmp_path, sandbox):
    orders = tmp_path / "orders.csv"
    shutil.copy(ROOT / "sample_data" / "orders.csv", orders)
    assert "= 179 accepted + 0 already sent + 1 rejected" in upload(orders, *ORDERS)

    correct(orders, "n/a", "12.5")

    assert "= 1 accepted + 179 already sent + 0 rejected" in upload(orders, *ORDERS)
    assert [each["revenue"] for each in sandbox.records()][179:] == [12.5]


def test_a_line_of_a_log(upload, tmp_path, sandbox):
    log = write_rows(
        tmp_path / "access.log", [LOG.format("a"), LOG.format("b")[:60], LOG.format("c")]
    )
    (tmp_path / "my.toml").write_text(ROUTES)
    assert "= 2 accepted + 0 already sent + 1 rejected" in upload(log, "-m", "my.toml")

    correct(log, LOG.format("b")[:60] + "\n", LOG.format("b") + "\n")

    assert "= 1 accepted + 2 already sent + 0 rejected" in upload(log, "-m", "my.toml")
    assert sandbox.counts()["records"] == 3


def test_a_correction_of_a_correction(upload, tmp_path, sandbox):
    history = write_rows(tmp_path / "h.jsonl", [row(1), row(2, type="x"), row(3, type="y")])
    upload(history)
    correct(history, '"x"', '"like"')
    assert "= 1 accepted + 1 already sent + 1 rejected" in upload(history)

    correct(history, '"y"', '"like"')

    assert "= 1 accepted + 2 already sent + 0 rejected" in upload(history)
    assert sandbox.counts()["records"] == 3


def test_a_row_that_is_taken_out(upload, tmp_path, sandbox):
    history = write_rows(tmp_path / "h.jsonl", [row(1), row(2, type="x"), row(3)])
    upload(history)

    write_rows(history, [row(1), row(3)])

    assert "2 rows read = 0 accepted + 2 already sent + 0 rejected" in upload(history)
    assert sandbox.counts()["records"] == 2
