"""Run the program without content keys, to compare with: `without_keys.py ARGUMENTS`."""

from miso_upload.cli import main
from miso_upload.pipeline.job import Job

Job._content_keys = lambda *_: None  # noqa: SLF001 -- there is no such option
main()
