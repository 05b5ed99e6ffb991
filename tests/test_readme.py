import re
import shutil

from conftest import ROOT
from readme_sessions import README, replayed

from miso_upload.sandbox import Sandbox
from miso_upload.transform.identity import anonymous_id
from miso_upload.values.addresses import canonical_ip


def test_what_the_readme_shows_is_what_happens():
    written = README.read_text(encoding="utf-8")

    assert replayed(written) == written


def test_the_example_from_python_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_state_path", lambda _: tmp_path / "state")

    with Sandbox(key="sandbox") as sandbox:
        exec(example.replace("http://127.0.0.1:8642", sandbox.url), {})

    assert capsys.readouterr().out.startswith("2,400 rows read = 2,388 accepted + 0 already")


def test_the_published_ids_are_the_ones_that_are_made():
    pattern = re.compile(r"^\|(.*)\| `([0-9a-f]{64})` \|$", re.MULTILINE)
    rows = pattern.findall(README.read_text(encoding="utf-8"))
    assert len(rows) == 6
    for cells, published in rows:
        ip, agent, salt, source = (cell.strip().strip("`") for cell in cells.split("|"))
        agent = "" if agent.startswith("-") else agent
        made = anonymous_id(
            canonical_ip(ip), agent if "user-agent" in source else None, salt=salt.encode()
        )
        assert made == published


def test_every_exit_code_of_the_errors_is_in_the_table():
    from miso_upload import errors

    table = README.read_text(encoding="utf-8").partition("## Exit codes")[2]
    codes = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.MisoUploadError)
    }
    assert [code for code in codes if f"| {code} |" not in table] == []
