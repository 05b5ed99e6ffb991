"""The example of docs/transform.md: a file, rows, and what the program says of them."""

import re
import sys

from click.testing import CliRunner
from conftest import ROOT

from miso_upload.cli.commands import program

PAGE = (ROOT / "docs" / "transform.md").read_text(encoding="utf-8")


def test_the_example_does_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, kind in (("my_map.py", "python"), ("till.csv", "csv")):
        (text,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (session,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    command, _, shown = session.partition("\n")

    done = CliRunner().invoke(program, command.removeprefix("$ miso-upload ").split())

    assert done.stdout == shown
