"""Each option is declared once: the ways to give it, its help and its default follow from that."""

from __future__ import annotations

import dataclasses
import re

import click
import pytest

from miso_upload.cli.run import settings_from
from miso_upload.cli.upload import upload_command
from miso_upload.errors import ConfigurationError
from miso_upload.pipeline.settings import PARTS, Settings, all_options
from miso_upload.values.json import encode
from miso_upload.values.option import default_of, options_of

OPTIONS = all_options()
PART_OF = {name: part for part, cls in PARTS.items() for name in options_of(cls)}
NO_OPTIONS = {"api_key", "anonymous_id_salt", "block_bytes", "remember", "convert_to"}
"""Fields that come from files and the environment only, from other commands, or from nowhere."""
GIVEN = {
    "columns": "a,b",
    "delimiter": ";",
    "escape": "\\",
    "not_stored": "503",
    "preset": "none",
    "quote": "'",
    "since": "90d",
    "trusted_proxies": "2",
    "until": "2026-03-01",
    "workers": "3",
}
"""What is given for options that do not take any text, as the command line has it."""


def text_for(option):
    """Return a value that differs from the default, as a text."""
    if option.kind == "flag":
        return "true"
    if option.kind in ("integer", "number"):
        return str(int((option.minimum or 0) + 1))
    others = [each for each in option.choices if each != option.default_text]
    return GIVEN.get(option.name) or (others or ["x"])[0]


def value_of(settings, name):
    return getattr(getattr(settings, PART_OF[name]), name)


@pytest.fixture
def parsed(monkeypatch):
    """Return the settings that a command line makes."""
    monkeypatch.delenv("MISO_UPLOAD_STATE_DIR")
    monkeypatch.setenv("MISO_API_KEY", "a-key")

    def parse(*args):
        return settings_from(upload_command.make_context("upload", ["h.jsonl", *args]).params)

    return parse


def needed_by(name):
    return ["--target", "shop"] if name == "rotated_key" else []


def test_every_field_of_every_part_is_an_option_with_a_name_of_its_own():
    fields = [each.name for part in PARTS.values() for each in dataclasses.fields(part)]

    assert len(set(fields)) == len(fields)
    assert set(fields) - NO_OPTIONS == set(OPTIONS)
    assert {param.name for param in upload_command.params} - {"inputs"} == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_help_has_full_sentences_and_the_default(name):
    option = OPTIONS[name]
    context = click.Context(upload_command)
    (param,) = (each for each in upload_command.params if each.name == name)

    _, shown = param.get_help_record(context)

    assert re.fullmatch(r"([A-Z][^.]*(\.\w[^.]*)*\.( |$))+", option.help), option.help
    assert option.help in shown
    assert bool(option.default_text) == (option.kind != "flag")
    assert not option.default_text or shown.endswith(f"[default: {option.default_text}]")


@pytest.mark.parametrize("name", OPTIONS)
def test_the_default_is_that_of_the_part(name, parsed):
    default = default_of(PARTS[PART_OF[name]], name)

    assert value_of(parsed(), name) == default
    assert value_of(Settings.of("h.jsonl"), name) == default
    assert value_of(Settings.of("h.jsonl", **{name: None}), name) == default


@pytest.mark.parametrize("name", OPTIONS)
def test_the_command_line_the_environment_and_python_give_an_option_the_same_value(
    name, parsed, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for file in ("x", "key"):
        (tmp_path / file).write_text("")
    option, text = OPTIONS[name], text_for(OPTIONS[name])
    if name == "state_dir":
        text = str(tmp_path)
    python = Settings.of(
        "h.jsonl", **{"target": "shop"} if name == "rotated_key" else {}, **{name: text}
    )

    by_flag = parsed(option.flag, *([] if option.kind == "flag" else [text]), *needed_by(name))
    monkeypatch.setenv(option.variable, text)
    by_variable = parsed(*needed_by(name))

    expected = value_of(python, name)
    assert expected != default_of(PARTS[PART_OF[name]], name)
    assert value_of(by_flag, name) == expected
    assert value_of(by_variable, name) == expected


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - {"mapping"}))
def test_a_mapping_file_gives_an_option_the_same_value(name, parsed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("")
    option, text = OPTIONS[name], text_for(OPTIONS[name])
    if name == "state_dir":
        text = str(tmp_path)
    toml = text if option.kind in ("flag", "integer", "number") else encode(text).decode()
    (tmp_path / "job.toml").write_text(f"[options]\n{name} = {toml}\n")

    made = parsed("-m", "job.toml", *needed_by(name))

    assert value_of(made, name) == option.read(text)


@pytest.mark.parametrize(
    "name", [name for name, each in OPTIONS.items() if each.kind in ("integer", "number")]
)
def test_a_number_out_of_range_is_refused_the_same_way_wherever_it_is_given(
    name, parsed, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(f"[options]\n{name} = -1\n")
    option = OPTIONS[name]
    with pytest.raises(ValueError, match="must be") as problem:
        option.read(-1)
    expected = re.escape(str(problem.value))

    with pytest.raises(ConfigurationError, match=f"{option.flag}: {expected}"):
        Settings.of("h.jsonl", **{name: -1})
    with pytest.raises(ConfigurationError, match=f"{option.flag}: {expected}"):
        PARTS[PART_OF[name]](**{name: -1})
    with pytest.raises(ConfigurationError, match=rf"job.toml: \[options\] {name}: {expected}"):
        parsed("-m", "job.toml")
    with pytest.raises(ConfigurationError, match=f"{option.flag}: {expected}"):
        parsed(f"{option.flag}=-1")
    monkeypatch.setenv(option.variable, "-1")
    with pytest.raises(ConfigurationError, match=rf"{option.flag} \({option.variable}\): "):
        parsed()


def test_an_option_that_does_not_exist_is_named_with_the_one_that_is_meant():
    with pytest.raises(TypeError, match="chunk_size"):
        Settings.of("h.jsonl", chunk_sise=5)


def test_settings_can_be_changed_and_the_part_that_changes_is_checked():
    settings = Settings.of("h.jsonl", chunk_size=5)

    assert settings.but(chunk_size=None, dry_run=True) == Settings.of("h.jsonl", dry_run=True)
    with pytest.raises(ConfigurationError, match="--chunk-size"):
        settings.but(chunk_size=0)
