"""Nothing from data, names, answers or files acts on the user's terminal, or forges a line."""

from __future__ import annotations

import io
import json
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miso_upload import summary_text
from miso_upload.cli import output
from miso_upload.cli.commands import program
from miso_upload.errors import SourceError
from miso_upload.ledger.rejects_file import rejection_line
from miso_upload.pipeline.preview import Shown, preview_text
from miso_upload.pipeline.status import Status, TargetStatus, status_text
from miso_upload.pipeline.summary_counts import count_rejections
from miso_upload.records import Reason, Rejection
from miso_upload.records.totals import Totals
from miso_upload.report.progress import ProgressBar, ProgressJson, ProgressLines
from miso_upload.report.summary import SourceSummary, Summary
from miso_upload.values.display import harmless
from tests.helpers.rows import row, write_rows
from tests.helpers.servers import Server

FORGED = "miso-upload: all is well"
PIECES = (
    "\x1b[31m", "\x1b[2J", "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "\x1b]52;c;ZWNobw==\x07", "\x07", "\x08", "\x7f", "\x9b31m", "\x9d52;c;eA==\x9c", "\x90q\x9c",
    f"\r{FORGED}", f"\n{FORGED}", f"\x85{FORGED}", f"\u2028{FORGED}", f"\u2029{FORGED}",
    f"\x0b{FORGED}", f"\x0c{FORGED}", f"\x1c{FORGED}", "\u202egnp.exe\u202c", "\u2066x\u2069",
    "\u200b", "\ufeff", "\U000e0041", "[bold red]", "[/bold red]", "[link=https://evil.example]x[/]",
    ":boom:", "{0}", "%s", "x",
)  # fmt: skip
NASTY = "".join(PIECES)
NAME = NASTY.replace("/", "").encode()[:220].decode(errors="ignore")
"""What a file may be called."""
NAME_IN_JSON = json.dumps(NASTY)[1:-1]

nasty = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
quickly = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_harmless(shown):
    __tracebackhide__ = True
    acting = [char for char in shown if char != "\n" and harmless(char) != char]
    assert acting == [], shown
    assert not any(line.startswith(FORGED) for line in shown.splitlines()), shown


def invoke(*args, **kwargs):
    """Run the program in this process; what it prints is looked at every time."""
    done = CliRunner().invoke(program, [str(each) for each in args], **kwargs)
    assert_harmless(done.stdout)
    assert_harmless(done.stderr)
    # An internal error shows where it happened.
    assert not re.search(r"\.py:\d+ < ", done.stderr), done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nasty_rows():
    yield row(1, timestamp=NASTY)
    yield row(2, type=NASTY)
    yield row(3, **{NASTY: NASTY})
    yield row(4, context={NASTY: NASTY, "custom_context": {NASTY: {NASTY: {}}}})
    yield row(5, context={"page": {"url": 1, NASTY: 1}, "truncated_ip": NASTY})
    yield row(6, rating=NASTY, type="rate")
    yield NASTY.replace("\n", " ")
    yield json.dumps(NASTY)
    yield row(7, product_ids={NASTY: NASTY})
    yield from (row(number, product_ids=[NASTY]) for number in range(8, 40))


def nasty_history(place, name=NAME):
    return write_rows(place / name, nasty_rows()).name


# -- each thing that prints, by itself -------------------------------------------------------------


@given(nasty)
@quickly
def test_whatever_is_said_is_harmless(text):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        output.say("x" + text.replace("\n", ""))
        output.say_error(text)

    assert_harmless(out.getvalue())
    assert_harmless(err.getvalue())


@given(nasty)
@quickly
def test_notes_and_waits_stay_on_their_line(text):
    stream = io.StringIO()
    lines = ProgressLines(stream)

    lines.noted(text)
    lines.waiting(1, text)
    lines.waiting(0, text)
    lines.stopping(text)

    assert_harmless(stream.getvalue())
    assert len(stream.getvalue().splitlines()) == 4


@given(nasty)
@quickly
def test_notes_above_the_bar_are_neither_markup_nor_emoji(text):
    stream = io.StringIO()
    with redirect_stderr(stream):
        bar = ProgressBar()
        bar.noted(text)
        bar.leave()

    assert_harmless(stream.getvalue())
    assert all(piece in stream.getvalue() for piece in (":boom:", "[bold red]") if piece in text)


@given(nasty)
@quickly
def test_events_are_json_and_say_the_text_as_it_is(text):
    stream = io.StringIO()
    lines = ProgressJson(stream)

    lines.noted(text)
    lines.failed(text)
    lines.waiting(1, text)

    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each.get("text", each.get("why")) for each in said] == [text] * 3
    assert_harmless(stream.getvalue())


@given(nasty)
@quickly
def test_a_summary_is_harmless(text):
    summary = Summary("upload", text, datetime(2024, 5, 1, tzinfo=UTC))
    summary.sources = [SourceSummary(text, Totals(rows=1, rejected=1), rejects_file=text)]
    count_rejections(summary, [Rejection(1, (Reason(text, text, text),), text)], f"{text}:")
    summary.findings.count_unmapped(text)
    summary.findings.skipped[text] += 1
    summary.findings.warn(Reason(text, text, text), 1)
    summary.findings.types[text.replace("\n", "")] += 1
    summary.findings.not_of_type[(text, text)] += 1
    summary.advice.append(f"a {text}")
    summary.problems.append(SourceError(text))

    assert_harmless(summary_text(summary))


@given(nasty)
@quickly
def test_rejects_statuses_and_previews_are_harmless(text):
    rejection = Rejection(1, (Reason(text, text),), {text: [text]})
    shown = [Shown(1, {text: text}, {text: text}), Shown(2, text, reasons=(text,), rule=text)]

    line = rejection_line(text, rejection).decode()

    assert json.loads(line)["row"] == {text: [text]}
    assert_harmless(line)
    source = Status(text, text, text, text, Totals(), 0, 0)
    assert_harmless(status_text([TargetStatus(text, text, 0, (source,))]))
    assert_harmless(preview_text(shown, 80) + preview_text(shown, 160))


# -- the program as a whole ------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--json",), ("--strict",), ("--chunk-size", 2)])
def test_nasty_rows_in_a_nasty_file_are_harmless(options, place):
    done = invoke(nasty_history(place), "--dry-run", *options)

    assert done.exit_code in (1, 2)
    for line in done.stdout.splitlines() if options == ("--json",) else ():
        assert json.loads(line)["sources"][0]["name"] == NAME


@pytest.mark.parametrize("status", [200, 307, 401, 422, 500])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nasty_answers_are_harmless(status, options, place):
    name = write_rows(place / NAME, [row(n, user_id=NASTY) for n in range(3)]).name

    def answer(handler, body):
        lines = [f"data.{n}.{NASTY} ({NASTY}) is invalid. {NASTY}" for n in range(3)]
        said = {"message": NASTY, "errors": True, "data": lines if status == 422 else NASTY}
        return status, json.dumps(said).encode(), {"Location": "http://\x1b[31m.example/\x9b"}

    with Server(answer) as server:
        args = (name, "--server", server.url, "--max-attempts", 1, *options)
        done = invoke(*args, env={"MISO_API_KEY": "sentinel-key"})
        again = invoke("rejects", name)
        invoke("status")
        invoke("status", "--json")
        invoke("status", name)

    assert done.exit_code in (1, 3, 4)
    for line in again.stdout.splitlines():
        assert json.loads(line)["source"] == NAME
    assert_harmless(
        Path(f"{NAME}.rejects.jsonl").read_text(encoding="utf-8") if again.stdout else ""
    )


@pytest.mark.parametrize("command", ["preview", "init", "rejects", "status"])
@pytest.mark.parametrize("there", [True, False])
def test_commands_that_show_rows_are_harmless(command, there, place):
    name = nasty_history(place) if there else NAME

    invoke(command, name, *(("-o", f"{NAME}.toml") if command == "init" else ()))
    if command == "init":
        invoke(command, name, "-o", "-")


@pytest.mark.parametrize("name", ["preview", "init"])
def test_a_nasty_header_is_harmless(name, place):
    cell = NASTY.replace('"', '""')
    (place / "h.csv").write_text(f'user_id,"{cell}","a{cell}"\nu,"{cell}",2\n', newline="")

    invoke(name, "h.csv")
    invoke("h.csv", "--dry-run")
    invoke("h.csv", "--dry-run", "--strict")
    invoke("h.csv", "--dry-run", "--map", f"product_ids={NASTY[:-1]}")


@pytest.mark.parametrize(
    "args",
    [
        (f"--{NASTY}",), (f"-{NASTY}",), ("--format", NASTY), ("--encoding", NASTY),
        ("--delimiter", NASTY), ("--columns", f"{NASTY},{NASTY}"), ("--preset", NASTY),
        ("--map", NASTY), ("--map", f"{NASTY}=x"), ("--set", f"{NASTY}={NASTY}"),
        ("--set", f"timestamp={NASTY}"), ("--timezone", NASTY),
        ("--timestamp-format", f"%Q{NASTY}"), ("--schema", NASTY), ("--transform", NASTY),
        ("--mapping", NASTY), ("--report", f"no/{NASTY}"),
        ("--rejects", f"no/{NASTY}"), ("--anonymous-id-salt-file", NASTY), ("--chunk-size", NASTY),
        ("--on-unknown", NASTY), ("--list-separator", NASTY), (NASTY,), (f"{NASTY}*",),
    ],
)  # fmt: skip
def test_nasty_options_are_harmless(args, place):
    write_rows(place / "h.jsonl", [row(1)])

    invoke("h.jsonl", "--dry-run", *args)


@pytest.mark.parametrize(
    "args",
    [("--server", f"http://{NASTY}"), ("--server", f"https://x{NASTY}@y:{NASTY}"),
     ("--api-key-file", NASTY), ("--target", NASTY), ("--state-dir", f"h.jsonl/{NASTY}")],
)  # fmt: skip
def test_nasty_targets_are_harmless(args, place):
    write_rows(place / "h.jsonl", [row(1)])
    key = {"MISO_API_KEY": "sentinel-key"}

    invoke("h.jsonl", "--server", "http://127.0.0.1:9", "--max-attempts", 1, *args, env=key)
    invoke("status", *(args if args[0] == "--state-dir" else ()))


@pytest.mark.parametrize(
    "args", [("types", NASTY), ("presets", NASTY), (NASTY,), ("sandbox", "--fault", NASTY)]
)
def test_nasty_words_are_harmless(args, place):
    assert invoke(*args).exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        '[attributes]\n{0} = "x"\n',
        "[options]\n{0} = {0}\n",
        "{0} = 1\n",
        "[attributes]\nrating = {0}\n",
        '[[skip]]\nname = {0}\ncolumn = "user_id"\nequals = "user-1"\n',
        "[[routes]]\nmatch = {0}\n",
        "not toml \x1b[31m\n",
    ],
)
def test_nasty_mapping_files_are_harmless(text, place):
    write_rows(place / "h.jsonl", [row(1), row(2)])
    escaped = '"' + "".join(f"\\U{ord(char):08x}" for char in NASTY) + '"'
    (place / f"{NAME}.toml").write_text(text.format(escaped), encoding="utf-8")

    invoke("h.jsonl", "--dry-run", "-m", f"{NAME}.toml")


@pytest.mark.parametrize(
    "text",
    [
        "raise ValueError({0!r})",
        "{0!r} +",
        "def transform(row):\n  raise OSError({0!r})",
        "def transform(row):\n  return {{{0!r}: {{1: 2}}}}",
    ],
)
def test_nasty_functions_are_harmless(text, place):
    write_rows(place / "h.jsonl", [row(1), row(2)])
    (place / f"{NAME}.py").write_text(text.format(NASTY), encoding="utf-8")

    invoke("h.jsonl", "--dry-run", "--transform", f"{NAME}.py")


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: {NASTY: schema},
        lambda schema: {**schema, "$ref": NASTY},
        lambda schema: {**schema, "type": NASTY},
        lambda schema: json.loads(json.dumps(schema).replace("home_page_view", NAME_IN_JSON)),
    ],
)
def test_nasty_schemas_are_harmless(change, place):
    write_rows(place / "h.jsonl", [row(1)])
    from miso_upload.transform.schema.schema import shipped_schema_text

    schema = change(json.loads(shipped_schema_text()))
    (place / NAME).write_text(json.dumps(schema), encoding="utf-8")

    invoke("h.jsonl", "--dry-run", "--schema", NAME)
    invoke("types", "--schema", NAME)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize(
    "options", [("--dry-run",), ("--dry-run", "--json"), ("--sandbox", "--json")]
)
def test_a_name_that_is_not_utf_8_is_told_with_escapes(options, place):
    name = os.fsdecode(b"h\xff.jsonl")
    write_rows(place / name, [row(1), row(2, timestamp="x"), {"type": "x"}])

    done = invoke(name, *options, "--report", "report.json", "--rejects", f"{name}.rejects.jsonl")
    missing = invoke(f"no{name}", *options)

    report = json.loads((place / "report.json").read_text())
    assert (done.exit_code, missing.exit_code) == (1, 2)
    assert report["sources"][0]["name"] == "h\\udcff.jsonl"
    assert json.loads(
        (place / os.fsdecode(b"h\xff.jsonl.rejects.jsonl")).read_text().splitlines()[0]
    )
