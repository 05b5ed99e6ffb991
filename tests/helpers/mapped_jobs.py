"""Transforms of mapping files for the loop, and deaths at each step of it."""

from __future__ import annotations

from functools import partial

from miso_upload.pipeline.job import Job
from miso_upload.pipeline.settings import Settings
from tests.helpers.desk import SECRET, Crash, Mortal


def job_of(path, toml, **options):
    """Return the job of a mapping file, which is written to a directory."""
    file = path / "job.toml"
    file.write_text(toml)
    return Job(Settings.of(mapping=str(file), **options), SECRET)


def run_with_deaths(desk, *names, deaths, **options):
    """Run again until it is through; let each of the first runs die at one of its steps.

    Returns:
        Whether the last planned death happened, and the summary.
    """
    died = False
    for moments in [*deaths, None]:
        wrap = (lambda part: part) if moments is None else partial(Mortal, moments=moments)
        try:
            return died, desk.run(*names, wrap=wrap, **options)
        except Crash:
            died = True
    raise AssertionError("the last run must not die")
