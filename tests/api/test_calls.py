"""The Python API: settings of any reasonable type, messages that name settings, and records."""

import dataclasses
import json
from pathlib import Path

import pytest

import miso_upload
from miso_upload import (
    ConfigurationError,
    DeliveryOptions,
    Listener,
    MisoUploadError,
    RecordingListener,
    Settings,
    check,
    convert,
    errors,
    summary_json,
    summary_text,
    upload,
)
from miso_upload.api.spelling import spelled
from miso_upload.sandbox import Sandbox
from tests.helpers.rows import row, write_rows


@pytest.fixture
def sandbox():
    with Sandbox(key="key") as running:
        yield running


@pytest.fixture
def options(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return {"server": sandbox.url, "api_key": "key", "state_dir": tmp_path / "state"}


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inputs", ["a.jsonl", Path("a.jsonl"), ["a.jsonl"], (Path("a.jsonl"),), iter(["a.jsonl"])]
)
def test_inputs_may_be_text_or_paths_one_or_several(inputs):
    assert Settings.of(inputs).inputs == ("a.jsonl",)


def test_settings_that_are_made_directly_read_their_values_too():
    assert Settings(inputs="a.jsonl").inputs == ("a.jsonl",)
    assert Settings(inputs=[Path("a"), "b"]).inputs == ("a", "b")
    assert miso_upload.ResumeOptions(state_dir="state").state_dir == Path("state")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Settings(inputs=5),
        lambda: Settings.of([5]),
        lambda: Settings.of("a", concurrency="many"),
        lambda: Settings.of("a", state_dir=5),
        lambda: Settings.of("a", api_key=5),
        lambda: Settings.of("a", anonymous_id_salt="text"),
        lambda: Settings.of("a", dry_run="perhaps"),
        lambda: Settings.of("a", only_type=5),
        lambda: Settings.of("a", map=5),
        lambda: Settings.of("a", target="x", new_target="y"),
        lambda: Settings(inputs="a", delivery={"concurrency": 4}),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_with_the_name_of_the_setting(make, golden):
    with pytest.raises(ConfigurationError) as refused:
        make()

    assert str(refused.value) == golden


def test_a_secret_of_a_wrong_type_is_not_in_the_message():
    with pytest.raises(ConfigurationError) as refused:
        Settings.of("a", api_key=b"secret")

    assert "secret" not in str(refused.value)


def test_the_key_comes_from_the_environment_unless_it_is_given(options, monkeypatch):
    path = write_rows(Path("a.jsonl"), [row(1)])
    del options["api_key"]
    monkeypatch.setenv("MISO_API_KEY", "key")

    assert upload(path, **options).totals.accepted == 1
    wrong = upload(path, **{**options, "api_key": "wrong", "target": None, "new_target": "b"})
    assert isinstance(wrong.stopped_by, errors.KeyRefusedError)


def test_the_key_may_be_in_a_file(options, tmp_path):
    path = write_rows(Path("a.jsonl"), [row(1)])
    (tmp_path / "key").write_text("key\n")
    del options["api_key"]

    assert upload(path, api_key_file=tmp_path / "key", **options).totals.accepted == 1


# -- messages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("--limit: must be 1", "limit: must be 1"),
        ("raise --workers", "raise workers"),
        ("add --dry-run, or", "add dry_run=True, or"),
        ("use --on-unknown resend, if", 'use on_unknown="resend", if'),
        ("with --target NAME --rotated-key", "with target=NAME rotated_key=True"),
        ("with --force", "with force=True"),
        ("with --max-reject-rate 1. To", "with max_reject_rate=1. To"),
        ('the value "--limit" is', 'the value "--limit" is'),
        ("docker --rm and a--limit", "docker --rm and a--limit"),
    ],
)
def test_messages_name_settings(message, expected):
    assert spelled(message) == expected


def test_errors_notes_and_advice_name_settings(options):
    write_rows(Path("a.jsonl"), map(row, range(4)))
    write_rows(Path("b.jsonl"), map(row, range(2, 6)))

    done = upload(["a.jsonl", "b.jsonl"], **options)
    changed = upload("a.jsonl", set=("product_group_ids=g",), **options)

    assert any("series=NAME" in text for text in done.advice)
    assert "changed_mapping=" in str(changed.stopped_by)
    for text in (*done.advice, str(changed.stopped_by), summary_text(changed)):
        assert "--" not in text
    assert "--" not in json.dumps(summary_json(changed))


# -- records ---------------------------------------------------------------------------------------


def test_records_are_uploaded_as_a_stream_and_only_once(options, sandbox):
    rows = [row(number) for number in range(25)]

    first = upload(records=iter(rows), name="orders", chunk_size=10, **options)
    again = upload(records=[*rows, row(25)], name="orders", chunk_size=10, **options)

    assert (first.totals.accepted, first.sources[0].name) == (25, "python://orders")
    assert (again.totals.accepted, again.totals.already_sent) == (1, 25)
    held = sorted(sandbox.records(), key=lambda each: int(each["user_id"].partition("-")[2]))
    assert held == [row(number) for number in range(26)]


def test_records_of_a_file_and_of_python_are_the_same(options):
    upload(write_rows(Path("a.jsonl"), map(row, range(5))), **options)

    assert upload(records=map(row, range(5)), **options).totals.already_sent == 5


def test_rows_of_python_are_mapped_like_those_of_a_file(options, sandbox):
    rows = [{"who": "u1", "what": "like", "sku": "p", "when": "2025-03-01 10:00"}]

    upload(
        records=rows, map=("user_id=who", "type=what", "product_ids=sku", "timestamp=when"),
        timezone="UTC", **options,
    )  # fmt: skip

    assert [each["user_id"] for each in sandbox.records()] == ["u1"]


def test_a_row_that_is_none_is_rejected_with_its_number(options):
    done = upload(records=[row(1), {"type": {1}}, row(2)], max_reject_rate=1, **options)

    assert (done.totals.accepted, done.totals.rejected, done.exit_code) == (2, 1, 1)
    (rejected,) = Path("records.rejects.jsonl").read_text().splitlines()
    assert json.loads(rejected)["line"] == 2


def test_an_iterable_that_fails_leaves_its_rows_sent_and_an_error(options):
    def rows():
        yield row(1)
        raise RuntimeError("the database is gone")

    done = upload(records=rows(), **options)

    assert (done.totals.accepted, done.exit_code) == (1, 3)
    assert upload(records=[row(1), row(2)], **options).totals.already_sent == 1


def test_no_records_at_all_are_no_error(options):
    assert upload(records=[], **options).exit_code == 0


def test_inputs_and_records_exclude_each_other(options):
    with pytest.raises(ConfigurationError):
        upload("a.jsonl", records=[], **options)


def test_a_dry_run_and_a_conversion_take_records_too(tmp_path):
    assert check(records=[row(1)], state_dir=tmp_path / "state").totals.pending == 1
    done = convert(output=tmp_path / "r.jsonl", records=[row(1)], state_dir=tmp_path / "state")
    assert done.totals.pending == 1
    assert json.loads((tmp_path / "r.jsonl").read_text()) == row(1)


# -- names -----------------------------------------------------------------------------------------


def test_every_public_name_can_be_imported():
    for name in miso_upload.__all__:
        assert getattr(miso_upload, name) is not None


def test_every_error_is_public():
    found = {
        name for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, MisoUploadError)
    }  # fmt: skip

    assert found <= set(miso_upload.__all__)


def test_every_part_of_the_settings_is_public():
    parts = {type(getattr(Settings.of("a"), each.name)) for each in dataclasses.fields(Settings)}

    assert {part.__name__ for part in parts - {tuple}} <= set(miso_upload.__all__)
    assert Settings(inputs="a", delivery=DeliveryOptions(concurrency=2)).delivery.concurrency == 2


def test_a_recording_listener_keeps_what_happened(options):
    heard = RecordingListener()

    done = upload(records=map(row, range(3)), listener=heard, **options)

    assert isinstance(heard, Listener)
    assert heard.summary is done
    assert [name for name, _ in heard.inputs] == ["python://records"]
    assert [batch.rows for batch in heard.batches] == [3]
    assert [receipt.accepted for receipt in heard.receipts] == [3]
    assert heard.notes
