"""Declares the options for using the results of earlier runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from miso_upload.errors import ConfigurationError
from miso_upload.values.option import Part, option

if TYPE_CHECKING:
    from pathlib import Path

Known = Literal["leave-out", "send"]
ChangedMapping = Literal["stop", "send", "continue"]


def default_state_dir() -> Path:
    """Return the directory of the ledgers where none is named."""
    from platformdirs import user_state_path  # noqa: PLC0415 -- the help does without

    return user_state_path("miso-upload")


def target_name(given: object) -> str:
    """Return the name of a target, in the one way of the two that Unicode has to write it.

    Raises:
        ValueError: It is empty.
    """
    import unicodedata  # noqa: PLC0415 -- the help does without

    name = unicodedata.normalize("NFC", given.strip()) if isinstance(given, str) else ""
    if not name:
        raise ValueError("give a name, such as production")
    return name


def _pass_name(given: object) -> str:
    """Return the name of a pass, which is also a part of the name of the rejects file."""
    name = str(given)
    if name and not re.fullmatch(r"[\w.-]{1,64}", name, re.ASCII):
        raise ValueError("must consist of up to 64 letters, digits, hyphens, dots and underscores")
    return name


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(Part, group="Resume"):
    """Which ledger a run uses, and what it does with records that the ledger knows.

    Attributes:
        remember: Note the records as sent without sending them, because Miso has them already; what
            the command `remember` does.

    Raises:
        ConfigurationError: The options contradict each other.
    """

    state_dir: Path = option(
        default_state_dir, "Keep the ledgers in this directory, on a local disk.",
        kind="directory", metavar="DIR", default_text="the user's state directory",
    )  # fmt: skip
    target: str | None = option(
        None, "Upload to this target. A target is one environment of Miso.", metavar="NAME",
        reader=target_name, default_text="the target of the API key",
    )  # fmt: skip
    new_target: str | None = option(
        None, "Upload to a new target with this name.", metavar="NAME", reader=target_name,
        default_text="the fingerprint of its key",
    )  # fmt: skip
    rotated_key: bool = option(
        False, "Accept a new API key for --target; it is needed once for each new key."
    )
    already_sent: Known = option(
        "leave-out", "Leave out or send records that Miso has from another input.",
        choices=get_args(Known),
    )  # fmt: skip
    changed: Known = option(
        "leave-out", "Leave out or send new versions of records that Miso has.",
        choices=get_args(Known),
    )  # fmt: skip
    changed_mapping: ChangedMapping = option(
        "stop", "Stop, send or continue if changed options give different records for rows "
        "already sent.", choices=get_args(ChangedMapping),
    )  # fmt: skip
    pass_name: str = option(
        "", "Read the inputs in a pass of their own, for other records than those of other passes.",
        metavar="NAME", reader=_pass_name, default_text="none",
    )  # fmt: skip
    restart: bool = option(
        False, "Forget what was sent from the inputs, and send all of their records again."
    )
    remember: bool = False

    def __post_init__(self) -> None:
        """Check what no option can be on its own."""
        super().__post_init__()
        if self.target and self.new_target:
            raise ConfigurationError("--target and --new-target exclude each other; choose one")
        if self.rotated_key and not self.target:
            raise ConfigurationError(
                "--rotated-key: name the target that the key is for with --target NAME; "
                "'miso-upload status' lists the targets"
            )

    @property
    def sends_already_sent(self) -> bool:
        """Whether records that Miso has from other sources are sent."""
        return self.already_sent == "send" and not self.remember

    @property
    def sends_changed(self) -> bool:
        """Whether records are sent of which Miso has the natural key with other content."""
        return self.changed == "send" or self.remember

    @property
    def on_changed_mapping(self) -> ChangedMapping:
        """Return what to do where rows were sent under other options; what is noted is not sent."""
        return "send" if self.remember else self.changed_mapping
