"""The same versions and Pythons are written in several files, and agree."""

import re
import tomllib

import pytest

from tests.helpers.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MINOR = r"3\.\d+"


def text_of(name):
    """Return the text of a file that a source archive may not have."""
    if not (ROOT / name).exists():
        pytest.skip(f"{name} is not part of a source archive")
    return (ROOT / name).read_text(encoding="utf-8")


def supported_pythons():
    classifiers = "\n".join(PROJECT["classifiers"])
    return re.findall(rf":: ({MINOR})$", classifiers, re.MULTILINE)


def test_make_checks_types_for_every_supported_python():
    (listed,) = re.findall(r"^PYTHONS := (.*)$", text_of("Makefile"), re.MULTILINE)

    assert listed.split() == supported_pythons()


def test_ci_tests_every_supported_python():
    (listed,) = re.findall(r"python: \[(.*)\]", text_of(".github/workflows/ci.yml"))

    assert re.findall(MINOR, listed) == supported_pythons()


def test_the_image_has_a_supported_python():
    images = re.findall(rf"^FROM python:({MINOR})-slim", text_of("Dockerfile"), re.MULTILINE)

    assert set(images) <= set(supported_pythons())
    assert len(set(images)) == 1


def test_pre_commit_has_the_versions_of_the_constraints():
    pinned = re.findall(r"([\w-]+==[\w.]+)", text_of(".pre-commit-config.yaml"))

    assert pinned
    assert set(pinned) <= set(text_of("constraints.txt").splitlines())


def test_the_manifest_runs_the_command_of_the_crontab():
    manifest, crontab = text_of("docs/cron/cronjob.yaml"), text_of("docs/cron/crontab")
    (block,) = re.findall(r"args:\n((?: +- .*\n)+)", manifest)
    args = re.findall(r"- (.*)$", block, re.MULTILINE)
    (line,) = re.findall(r"^[0-9* ]+ miso-upload '.*?' (.*)$", crontab, re.MULTILINE)

    assert args[1:] == line.split()


def test_the_glossary_has_the_words_of_the_totals():
    glossary = text_of("docs/glossary.md")
    counted = ["accepted", "already sent", "rejected", "skipped", "unknown", "pending"]

    assert [word for word in counted if f"| **{word}** |" not in glossary] == []
