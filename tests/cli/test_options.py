import re

import click
import pytest
from click.testing import CliRunner

from miso_upload.cli.commands import program
from miso_upload.cli.run import settings_from
from miso_upload.cli.upload import upload_command
from miso_upload.pipeline.settings import Settings
from tests.helpers.commands import invoke
from tests.helpers.rows import counts_in


def options():
    context = click.Context(upload_command)
    params = upload_command.get_params(context)
    return {param.name: param for param in params if "--help" not in param.opts}


def test_an_option_that_is_not_given_has_the_default_of_its_setting(monkeypatch):
    monkeypatch.delenv("MISO_UPLOAD_STATE_DIR")
    context = upload_command.make_context("upload", ["x", "--dry-run"])

    assert settings_from(context.params) == Settings.of("x", dry_run=True)


@pytest.mark.parametrize("name", sorted(set(options()) - {"inputs"}))
def test_every_option_can_come_from_the_environment(name):
    assert options()[name].envvar == f"MISO_UPLOAD_{name.upper()}"


def test_the_environment_is_read(tmp_path):
    history = tmp_path / "h.jsonl"
    history.write_text("{}\n")

    shown = invoke(str(history), env={"MISO_UPLOAD_DRY_RUN": "1", "MISO_UPLOAD_QUIET": "1"})

    assert counts_in(shown.stdout)[:3] == [1, 0, 1]


def test_a_file_is_what_is_no_command(tmp_path, golden):
    assert invoke("histori.jsonl", "--dry-run").stderr == golden


def test_options_may_stand_before_the_file(tmp_path, golden):
    assert invoke("--dry-run", "nothing.jsonl").stderr == golden


def test_a_file_that_is_called_like_a_command_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "status").write_text("{}\n")

    assert "./status:1" in invoke("./status", "--dry-run").stdout


def test_upload_says_the_same_as_no_command(tmp_path):
    history = tmp_path / "h.jsonl"
    history.write_text("{}\n")

    assert (
        invoke("upload", str(history), "--dry-run").stdout
        == invoke(str(history), "--dry-run").stdout
    )


def test_the_version_is_told(golden):
    assert invoke("--version").stdout == golden


def test_the_help_has_headings_and_examples(golden):
    shown = invoke("upload", "--help").stdout

    assert shown == golden


def test_no_arguments_show_the_help():
    assert "Usage:" in invoke().output


@pytest.mark.parametrize(
    "args",
    [
        ("--chunk-size", "10001"),
        ("--max-reject-rate", "2"),
        ("--dry-run", "--sandbox"),
        ("--dry-run", "--timezone", "Europe/Berln"),
        ("--dry-run", "--map", "product_id=x"),
        ("--dry-run", "--encoding", "utf-99"),
        ("--dry-run", "--quote", "::"),
        ("--dry-run", "--schema", "none.json"),
        ("--server", "http://api.example"),
        ("--server", "ftp://api.example"),
        ("--api-key-file", "missing"),
        ("--report",),
        ("--dry-run", "--columns", "a,b,a"),
        ("--dry-run", "--columns", "-,"),
        ("--dry-run", "--columns", "a"),
    ],
)
def test_what_cannot_be_meant_is_exit_code_2_and_says_why(args, tmp_path, golden):
    history = tmp_path / "h.jsonl"
    history.write_text("{}\n")

    done = invoke(str(history), *args, env={"MISO_API_KEY": "k"})

    assert done.exit_code == 2
    assert done.stderr == golden


def test_a_missing_key_is_exit_code_2_and_says_where_it_can_come_from(tmp_path):
    history = tmp_path / "h.jsonl"
    history.write_text("{}\n")

    done = invoke(str(history))

    assert (done.exit_code, "MISO_API_KEY" in done.stderr) == (2, True)


def test_the_key_of_a_file_is_read_without_its_newline(tmp_path):
    key_file = tmp_path / "key"
    key_file.write_text("secret\n")

    made = settings_from({"api_key_file": key_file, "inputs": ("x",)})

    assert made.delivery.api_key == "secret"
    assert "secret" not in repr(made)


def test_a_defect_shows_where_it_is_and_no_traceback(monkeypatch, tmp_path, golden):
    history = tmp_path / "h.jsonl"
    history.write_text("{}\n")
    monkeypatch.setattr("miso_upload.pipeline.run._check", lambda _: 1 / 0)

    done = invoke(str(history), "--dry-run")

    assert done.exit_code == 3
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr == golden
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [("st", "plain,status"), ("--dry", "plain,--dry-run"), ("hist", "file,hist")],
)
def test_the_shell_is_offered_commands_options_and_files(words, offered):
    env = {
        "_MISO_UPLOAD_COMPLETE": "bash_complete",
        "COMP_WORDS": f"miso-upload {words}",
        "COMP_CWORD": "1",
    }

    assert offered in CliRunner().invoke(program, [], prog_name="miso-upload", env=env).output


@pytest.mark.parametrize(
    "given", [("--columns", "user_id,-,timestamp"), ("-m", "job.toml"), ("environment",)]
)
def test_columns_are_named_wherever_options_are(tmp_path, monkeypatch, given, golden):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.csv").write_text("u1,x,2024-05-01T10:00:00Z\n")
    (tmp_path / "job.toml").write_text('[options]\ncolumns = ["user_id", "-", "timestamp"]\n')
    env = {"MISO_UPLOAD_COLUMNS": "user_id,,timestamp"} if given == ("environment",) else {}
    args = () if env else given

    done = invoke("h.csv", "--dry-run", "--set", "type=like", *args, env=env)

    assert counts_in(done.stdout)[:2] == [1, 1]
    assert done.stdout == golden


def test_columns_of_a_mapping_file_are_a_list_of_names(tmp_path, monkeypatch, golden):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.csv").write_text("1\n")
    (tmp_path / "job.toml").write_text("[options]\ncolumns = [1, 2]\n")

    done = invoke("h.csv", "--dry-run", "-m", "job.toml")

    assert done.exit_code == 2
    assert done.stderr == golden


def test_a_header_that_was_thought_missing_is_told(tmp_path, monkeypatch, golden):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.csv").write_text("user_id,timestamp\nu1,2024-05-01T10:00:00Z\n")

    done = invoke("h.csv", "--dry-run", "--set", "type=like", "--columns", "user_id,timestamp")

    assert counts_in(done.stdout)[:2] == [1, 1]
    assert done.stderr == golden


@pytest.mark.parametrize("command", ["status", "rejects", "preview", "init"])
def test_a_tab_can_be_called_so_by_every_command_that_reads(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.csv").write_text("user_id\ttimestamp\nu1\t2024-05-01T10:00:00Z\n")

    done = invoke(command, "h.csv", "--delimiter", "tab")

    assert ".py:" not in done.stderr  # where an internal error happened


def test_a_schema_file_is_read_once(tmp_path, monkeypatch, golden):
    from miso_upload.transform.schema import schema

    path = tmp_path / "own.json"
    path.write_bytes(schema.shipped_schema_text())
    history = tmp_path / "h.jsonl"
    history.write_text('{"type": "like", "timestamp": "2024-05-01T10:00:00Z", "user_id": "u"}\n')
    loaded = []
    load = schema.load_schema
    monkeypatch.setattr(schema, "load_schema", lambda *args: loaded.append(args) or load(*args))

    done = invoke(str(history), "--dry-run", "--schema", str(path))

    assert done.stdout == golden
    assert len(loaded) == 1


@pytest.mark.parametrize("text", ["404", '["408,404"]'])
def test_statuses_of_a_mapping_file_are_one_or_a_list(tmp_path, monkeypatch, text, golden):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(f"[options]\nnot_stored = {text}\n")

    done = invoke("h.csv", "--dry-run", "-m", "job.toml")

    assert done.exit_code == 2
    assert done.stderr == golden


@pytest.mark.parametrize(
    ("args", "env"),
    [(("--not-stored", "503", "--not-stored", "408,404"), ""), ((), "503 408,404")],
)
def test_statuses_can_be_repeated_and_listed(args, env, golden):
    done = invoke("h.csv", "--dry-run", *args, env={"MISO_UPLOAD_NOT_STORED": env})

    assert done.stderr == golden


def test_a_status_that_is_none_is_refused(golden):
    done = invoke("h.csv", "--dry-run", "--not-stored", "5xx")

    assert done.exit_code == 2
    assert done.stderr == golden


def test_a_dry_run_has_the_key_to_find_its_ledger_and_does_without(monkeypatch, tmp_path):
    def dry(*args):
        context = upload_command.make_context("upload", ["x", "--dry-run", *args])
        return settings_from(context.params).delivery.api_key

    assert dry() == ""
    assert dry("--api-key-file", str(tmp_path / "not-there")) == ""
    monkeypatch.setenv("MISO_API_KEY", "a-secret")
    assert dry() == "a-secret"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["h.jsonl", "--preset", "seg"], "plain,segment"),
        (["presets", "seg"], "plain,segment"),
        (["types", "check"], "plain,checkout"),
        (["h.jsonl", "--set", "type=check"], "plain,type=checkout"),
        (["h.jsonl", "--on-unknown", "ho"], "plain,hold"),
        (["h.jsonl", "--mapping", "sho"], "file,sho"),
        (["status", "--state-dir", "sta"], "dir,sta"),
    ],
)
def test_the_shell_is_offered_presets_types_choices_and_files(words, offered):
    env = {
        "_MISO_UPLOAD_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["miso-upload", *words]),
        "COMP_CWORD": str(len(words)),
    }

    shown = CliRunner().invoke(program, [], prog_name="miso-upload", env=env).output

    assert offered in shown.splitlines()


@pytest.mark.parametrize("name", sorted({*program.list_commands(None)}))
def test_the_help_of_every_command_has_an_example(name):
    assert re.search(rf"Examples?:\n +(miso-upload {name}\b|.*\n +miso-upload)",
                     invoke(name, "--help").stdout)  # fmt: skip


def test_the_common_options_of_the_first_help_exist():
    own = {flag for param in upload_command.params for flag in getattr(param, "opts", ())}
    shown = invoke("--help").stdout.partition("Common options:")[2].partition("Commands:")[0]

    common = re.findall(r"^  (-.*?)(?:  |$)", shown, re.MULTILINE)
    flags = {flag for each in common for flag in re.findall(r"--?[a-z-]+", each)}
    assert flags - own == {"--version", "-h", "--help"}
