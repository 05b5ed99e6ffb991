"""What a run shows and writes: the options, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass

from miso_upload.errors import ConfigurationError
from miso_upload.values.option import Part, option


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Part, group="Output"):
    """Where results go. `quiet` and `json` are for the command line, whose listener they choose.

    Raises:
        ConfigurationError: An option has a value that it cannot have.
    """

    rejects: str | None = option(
        None, "Write rejected rows with their reasons to this file, as JSON lines.", kind="file",
        metavar="FILE", default_text="FILE.rejects.jsonl beside each input of an upload",
    )  # fmt: skip
    rejects_without_rows: bool = option(
        False, "Omit row contents, which may contain personal data, from the rejects file."
    )
    report: str | None = option(
        None, "Write a summary to this file, as JSON.", kind="file", metavar="FILE",
        default_text="none",
    )  # fmt: skip
    quiet: bool = option(False, "Print nothing if all goes well.", short=("-q",))
    json: bool = option(False, "Print messages and the summary as JSON, one object a line.")

    def __post_init__(self) -> None:
        """Check what no option can be on its own."""
        super().__post_init__()
        if self.report == "-":
            raise ConfigurationError(
                "--report -: names no file; --json prints the report on stdout"
            )
