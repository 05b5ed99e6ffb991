"""A file of records: what an upload would send, complete or not there at all."""

import gzip
import json
import os
from pathlib import Path

import pytest

from miso_upload import convert
from miso_upload.delivery import record_file
from miso_upload.errors import ConfigurationError, OutputError
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.sandbox import Sandbox
from tests.helpers.processes import run_program
from tests.helpers.rows import row, write_rows
from tests.helpers.uploads import Uploads

CSV = (
    "kind,who,sku,when\n"
    + "".join(f"like,u{n},p{n};q,2024-05-{n % 28 + 1:02} 10:00\n" for n in range(40))
    + "likes,u40,p,2024-05-01 10:00\n"
)
MAPPING = {
    "map": ("type=kind", "user_id=who", "product_ids=sku", "timestamp=when"),
    "timezone": "Europe/Berlin",
    "list_separator": ";",
    "delimiter": ",",
}


@pytest.fixture
def desk(tmp_path):
    with Sandbox(key="key") as sandbox:
        yield Uploads(tmp_path, sandbox)


def lines(path):
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("name", ["records.jsonl", "records.jsonl.gz"])
def test_uploading_the_converted_file_sends_the_records_of_the_original(desk, name):
    (desk.place / "a.csv").write_text(CSV)

    done = convert(str(desk.place / "a.csv"), desk.place / name, **MAPPING)
    desk.upload("a.csv", **MAPPING)
    sent = list(desk.sandbox.records())
    again = desk.upload(name)

    assert (done.exit_code, done.totals.pending, done.totals.rejected) == (1, 40, 1)
    assert lines(desk.place / name) == sent
    assert (again.totals.already_sent, again.requests) == (40, 0)


def test_rows_are_rejected_beside_the_file(desk):
    (desk.place / "a.csv").write_text(CSV)
    output = desk.place / "records.jsonl"

    convert(str(desk.place / "a.csv"), output, **MAPPING)

    (rejected,) = lines(Path(f"{output}.rejects.jsonl"))
    assert rejected["line"] == 42


def test_integers_keep_their_digits(desk):
    big = row(1, context={"custom_context": {"n": 2**64 - 1}})
    source = write_rows(desk.place / "a.jsonl", [big])

    convert(str(source), desk.place / "records.jsonl")

    assert lines(desk.place / "records.jsonl") == [big]


def test_records_that_two_inputs_have_in_common_are_written_once(desk):
    write_rows(desk.place / "a.jsonl", map(row, range(10)))
    write_rows(desk.place / "b.jsonl", map(row, range(5, 15)))
    inputs = [str(desk.place / name) for name in ("a.jsonl", "b.jsonl")]

    done = convert(inputs, desk.place / "records.jsonl")

    assert lines(desk.place / "records.jsonl") == [row(number) for number in range(15)]
    assert done.totals.already_sent == 5


def test_an_existing_file_is_replaced_only_by_force(desk):
    source = write_rows(desk.place / "a.jsonl", [row(1)])
    output = desk.place / "records.jsonl"
    output.write_text("mine")

    with pytest.raises(ConfigurationError):
        convert(str(source), output)
    assert output.read_text() == "mine"
    convert(str(source), output, force=True)
    assert lines(output) == [row(1)]


def test_an_input_is_never_replaced(desk):
    source = write_rows(desk.place / "a.jsonl", [row(1)])
    os.link(source, desk.place / "other.jsonl")

    for output in (source, desk.place / "other.jsonl"):
        with pytest.raises(ConfigurationError):
            convert(str(source), output, force=True)
    assert lines(source) == [row(1)]


def test_a_run_that_stops_early_leaves_no_file(desk):
    source = write_rows(desk.place / "a.jsonl", [row(1)])
    stop = StopSignal()
    stop.set()

    with pytest.raises(Exception, match="stopped"):
        convert(str(source), desk.place / "records.jsonl", stop=stop)

    assert [path.name for path in desk.place.iterdir()] == ["a.jsonl"]


def test_a_damaged_input_leaves_no_file(desk):
    text = "".join(json.dumps(row(number)) + "\n" for number in range(20_000)).encode()
    (desk.place / "a.jsonl.gz").write_bytes(gzip.compress(text)[:-2000])

    done = convert(str(desk.place / "a.jsonl.gz"), desk.place / "records.jsonl")

    assert (done.exit_code, done.written_to) == (3, None)
    assert [path.name for path in desk.place.iterdir()] == ["a.jsonl.gz"]


def test_a_full_disk_stops_the_run_and_leaves_no_file(desk, monkeypatch):
    source = write_rows(desk.place / "a.jsonl", [row(1)])

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record_file, "_json_lines", fail)
    done = convert(str(source), desk.place / "records.jsonl")

    assert isinstance(done.stopped_by, OutputError)
    assert not (desk.place / "records.jsonl").exists()


def test_a_file_that_cannot_be_created_is_an_error(desk):
    source = write_rows(desk.place / "a.jsonl", [row(1)])

    with pytest.raises(OutputError):
        convert(str(source), desk.place / "no directory" / "records.jsonl")


def test_records_on_standard_output_leave_the_summary_to_standard_error(tmp_path):
    source = write_rows(tmp_path / "a.jsonl", map(row, range(3)))

    done = run_program("convert", source, "-o", "-", env={**os.environ, "MISO_API_KEY": ""})

    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [row(n) for n in range(3)]
    assert "3 rows read = 3 valid" in done.stderr


def test_the_command_needs_no_key_and_leaves_no_ledger(tmp_path, golden):
    source = write_rows(tmp_path / "a.jsonl", map(row, range(3)))
    state = tmp_path / "state"

    done = run_program(
        "convert", source.name, "-o", "records.jsonl", cwd=tmp_path,
        env={**os.environ, "MISO_API_KEY": "", "MISO_UPLOAD_STATE_DIR": str(state)},
    )  # fmt: skip

    assert done.returncode == 0
    assert done.stdout == golden
    assert not list(state.glob("*")) if state.exists() else True
