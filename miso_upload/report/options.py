"""The output options and their defaults."""

from __future__ import annotations

from dataclasses import dataclass

from miso_upload.errors import ConfigurationError
from miso_upload.values.option import Part, option


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Part, group="Output"):
    """What a run writes and where; `quiet` and `json` choose the command line's listener.

    Attributes:
        convert_to: Write the records to this file instead of sending them, which the function
            `convert` does.

    Raises:
        ConfigurationError: An option has an invalid value.
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

    convert_to: str | None = None

    def __post_init__(self) -> None:
        """Check the values of all options."""
        super().__post_init__()
        if self.report == "-":
            raise ConfigurationError(
                "--report -: is not a file name; to print the report on stdout, use --json"
            )
