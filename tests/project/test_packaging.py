"""What is built from the tree works alone, and finds the schema that it ships."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.rows import counts_in, row, write_rows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths are those of POSIX")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return a wheel built from the tree, without network."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place)]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = place.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def clean_program(wheel, tmp_path_factory):
    """Return the console script of an environment that has the wheel and the libraries only."""
    home = tmp_path_factory.mktemp("clean") / "env"
    venv.create(home, with_pip=False)
    site = next(home.glob("lib/python*/site-packages"))
    # Paths in a .pth file are added as they are: the tree, which is installed there as editable,
    # is not found through them.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--force-reinstall", str(wheel)], check=True,
        capture_output=True,
    )  # fmt: skip
    return home / "bin" / "miso-upload"


def output_of(program, *args, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(program), *args], capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_is_the_same_wherever_and_whenever_it_is_built(wheel, tmp_path):
    """Under another path, umask, time zone and time."""
    tree = tmp_path / "another" / "place"
    tree.mkdir(parents=True)
    for name in ("miso_upload", "schemas"):
        ignored = shutil.ignore_patterns("__pycache__")
        # copyfile: with the times of now
        shutil.copytree(ROOT / name, tree / name, ignore=ignored, copy_function=shutil.copyfile)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, tree / name)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
    ]

    subprocess.run(
        [*command, str(tree)], check=True, capture_output=True, umask=0o077,
        env={**os.environ, "TZ": "Asia/Tokyo"},
    )  # fmt: skip

    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_wheel_alone_runs_the_main_job(clean_program, tmp_path):
    write_rows(tmp_path / "history.jsonl", [row(1), row(2)])

    shown = output_of(clean_program, "history.jsonl", "--sandbox", cwd=tmp_path)

    assert counts_in(shown)[:2] == [2, 2]


def test_the_shipped_schema_is_found_in_a_wheel(clean_program, tmp_path):
    shown = output_of(clean_program, "schema", cwd=tmp_path)

    assert json.loads(shown) == json.loads((ROOT / "schemas/interactions.schema.json").read_text())


def test_the_shipped_schema_is_found_in_the_tree(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c",
         "import miso_upload.transform.schema.schema as s; print(s.shipped_schema_text())"],
        capture_output=True, check=True, cwd=tmp_path,
    )  # fmt: skip

    assert b"urn:miso-upload:interactions" in done.stdout


def test_the_web_server_of_the_sandbox_comes_with_the_extra_only(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    needed = metadata.get_all("Requires-Dist")
    of_extra = {each for each in needed if "extra == 'sandbox'" in each}
    always = {re.match(r"[\w-]+", each)[0] for each in needed if "extra ==" not in each}

    assert {re.match(r"[\w-]+", each)[0] for each in of_extra} == {"starlette", "uvicorn"}
    assert "sandbox" in metadata.get_all("Provides-Extra")
    assert {"click", "jsonschema", "orjson", "requests", "rich"} <= always
    assert always.isdisjoint({"starlette", "uvicorn", "httptools", "h11"})


def test_the_tables_of_the_schema_are_used_in_a_wheel(clean_program, tmp_path):
    code = "from miso_upload.transform.schema.schema import *; print(bool(shipped_schema().tables))"

    assert output_of(clean_program.with_name("python"), "-c", code, cwd=tmp_path) == "True\n"


def test_the_wheel_is_typed_and_licensed(wheel):
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    needed = (
        "py.typed",
        "licenses/LICENSE",
        "schemas/interactions",
        "transform/schema/tables.json",
    )
    assert all(name in listed for name in needed)
    assert "tests/" not in listed
