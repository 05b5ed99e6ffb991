"""Writes docs/reference/cli.md from the commands themselves; a test holds the two together."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click

from miso_upload.cli.commands import program

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
_INTRODUCTION = """\
# Command line

<!-- Made by `make docs-examples` from the commands themselves. Do not edit. -->

`miso-upload FILE...` is short for `miso-upload upload FILE...`. If a file has the name of a
command, write `./status`, for example.

Each option can come from the environment: `--chunk-size 500` is `MISO_UPLOAD_CHUNK_SIZE=500`.
Separate the values of a repeated option by spaces. `1` sets a flag, as in `MISO_UPLOAD_QUIET=1`.
The command line wins over the environment, and both win over
[`[options]`](../mapping.md#the-whole-job-in-one-file) in a mapping file.
[Exit codes](exit-codes.md) are on a page of their own.

To complete commands and options with the Tab key, add this line to `~/.bashrc` (for other shells,
use `zsh_source` or `fish_source`):

    eval "$(_MISO_UPLOAD_COMPLETE=bash_source miso-upload)"
"""


def reference() -> str:
    """Return the page: each command with its usage, what it does, and its options in groups."""
    parts = [_INTRODUCTION]
    top = click.Context(program, info_name="miso-upload")
    main = program.get_command(top, "upload")
    assert main is not None
    shared = {_record(each, top) for each in main.params if isinstance(each, click.Option)}
    for name in ["upload", *(each for each in program.list_commands(top) if each != "upload")]:
        command = program.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=top)
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                below = click.Context(found, info_name=inner, parent=context)
                parts.append(_section(found, below, shared))
        else:
            parts.append(_section(command, context, set() if name == "upload" else shared))
    return "\n".join(parts)


def write() -> None:
    """Write the page."""
    PAGE.write_text(reference(), encoding="utf-8")


def _section(command: click.Command, context: click.Context, shared: set[tuple[str, str]]) -> str:
    lines = [f"## {context.command_path}", "", "```text", command.get_usage(context), "```", ""]
    lines += [*_prose(command.help or ""), ""]
    groups: dict[str, list[click.Option]] = {}
    also = []
    for param in command.params:
        if not isinstance(param, click.Option):
            continue
        if _record(param, context) in shared:
            also.append(f"`{max(param.opts, key=len)}`")
        else:
            groups.setdefault(getattr(param, "group", "Other"), []).append(param)
    groups["Other"] = groups.pop("Other", [])
    for heading, params in groups.items():
        if params:
            lines += [
                f"**{heading}**",
                "",
                "| option | what it does | environment |",
                "|---|---|---|",
            ]
            lines += [_row(each, context) for each in params] + [""]
    if also:
        lines += [
            f"It also takes these options of [upload](#miso-upload-upload): {', '.join(also)}.",
            "",
        ]
    if command.epilog:
        lines += [*_prose(command.epilog), ""]
    return "\n".join(lines).rstrip() + "\n"


def _record(option: click.Option, context: click.Context) -> tuple[str, str]:
    record = option.get_help_record(context)
    return record or ("", "")


def _row(option: click.Option, context: click.Context) -> str:
    spelling, text = (" ".join(each.split()) for each in _record(option, context))
    names = option.envvar if isinstance(option.envvar, (list, tuple)) else [option.envvar]
    variables = ", ".join(f"`{each}`" for each in names if each)
    escaped = text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")
    return f"| `{spelling.replace('|', chr(92) + '|')}` | {escaped} | {variables} |"


def _prose(text: str) -> list[str]:
    """Return help as Markdown: paragraphs, and what click keeps as it is in a code block."""
    shown: list[str] = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if block.startswith("\b"):
            lines = block.splitlines()[1:]
            heading = lines.pop(0) if lines and lines[0].endswith(":") else ""
            shown += ["", *([heading] if heading else []), "", "```text", *_dedented(lines), "```"]
        else:
            shown += ["", *block.splitlines()]
    return shown[1:]


def _dedented(lines: list[str]) -> list[str]:
    return inspect.cleandoc("\n" + "\n".join(lines)).splitlines()
