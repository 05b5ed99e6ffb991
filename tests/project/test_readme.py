"""Facts of the README and the reference that are more than sessions."""

import re
import shutil
from importlib import import_module

import pytest

from miso_upload.sandbox import Sandbox
from miso_upload.transform.identity import anonymous_id
from miso_upload.values.addresses import canonical_ip
from tests.helpers.paths import ROOT


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def test_the_example_from_python_runs(tmp_path, monkeypatch, capsys):
    page = text_of("docs/reference/python.md")
    first, second = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_state_path", lambda _: tmp_path / "state")

    with Sandbox(key="sandbox") as sandbox:
        exec(first.replace("http://127.0.0.1:8642", sandbox.url), {})
        exec(second, {})

    assert capsys.readouterr().out.startswith("2,400 rows read = 2,388 accepted + 0 already")


def test_the_published_ids_are_the_ones_that_are_made():
    pattern = re.compile(r"^\|(.*)\| `([0-9a-f]{64})` \|$", re.MULTILINE)
    rows = pattern.findall(text_of("docs/how-to/identity.md"))
    assert len(rows) == 6
    for cells, published in rows:
        ip, agent, salt, source = (cell.strip().strip("`") for cell in cells.split("|"))
        agent = "" if agent.startswith("-") else agent
        made = anonymous_id(
            canonical_ip(ip), agent if "user-agent" in source else None, salt=salt.encode()
        )
        assert made == published


@pytest.mark.parametrize("page", ["README.md", "docs/reference/exit-codes.md"])
def test_every_exit_code_of_the_errors_is_in_the_table(page):
    from miso_upload import errors

    table = text_of(page).partition("# Exit codes")[2]
    codes = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.MisoUploadError)
    }
    assert [code for code in codes if f"| {code} |" not in table] == []


def test_the_page_on_python_has_every_public_name():
    import miso_upload
    from miso_upload import errors

    documented = re.findall(r"^::: (\S+)$", text_of("docs/reference/python.md"), re.MULTILINE)
    names = set(miso_upload.__all__) - {"__version__", *vars(errors)}
    public = {f"miso_upload.{name}" for name in names}

    assert {*public, "miso_upload.errors"} <= set(documented)
    for path in documented:
        if path != "miso_upload.errors":
            home, _, name = path.rpartition(".")
            assert hasattr(import_module(home), name)
