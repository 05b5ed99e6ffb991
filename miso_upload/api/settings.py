"""Settings for Python: their messages name settings, and the key may come from the environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from miso_upload.api.spelling import python_names
from miso_upload.errors import ConfigurationError
from miso_upload.pipeline import settings as pipeline_settings
from miso_upload.sources.rows_input import RowsInput
from miso_upload.values.secrets import KEY, SALT, read_secret

if TYPE_CHECKING:
    from typing import Self

    from miso_upload.pipeline.settings import Inputs


class Settings(pipeline_settings.Settings):
    """The inputs of a run and all its options, grouped by the package that uses them.

    `Settings.of("history.jsonl", dry_run=True)` takes the options by their names.

    Attributes:
        inputs: Files, directories, URLs, patterns, or `-` for standard input; one or several, as
            text or as paths.
        reading: How inputs are read.
        mapping: Which columns are mapped to which attributes.
        identity: How `anonymous_id` is derived.
        scope: Which records are sent, and which are left for a later run.
        validation: Which records are valid, and whether this is a dry run.
        delivery: Where and how records are sent.
        resume: How a run uses the results of earlier runs.
        output: What a run writes and shows.

    Raises:
        ConfigurationError: A setting has an invalid value; the message names the setting.
    """

    def __post_init__(self) -> None:
        """Check the types of the inputs and of the parts."""
        with python_names():
            super().__post_init__()

    @classmethod
    def of(cls, inputs: Inputs = (), **options: Any) -> Self:  # noqa: ANN401 -- any option's value
        """Return the settings with these options, which have the names of the command line.

        Args:
            inputs: One input, or several, each as text or as a path.
            options: For example, `chunk_size=500` for `--chunk-size 500`; None means the default.
                Also the secrets `api_key` and `anonymous_id_salt`, and `remember`.

        Raises:
            ConfigurationError: An option has an invalid value.
            TypeError: There is no such option.
        """
        with python_names():
            return super().of(inputs, **options)

    def but(self, **options: Any) -> Self:  # noqa: ANN401
        """Return the same settings with some options changed; see `of`."""
        with python_names():
            return super().but(**options)


def settings_of(
    given: pipeline_settings.Settings | Inputs,
    options: dict[str, Any],
    records: object = None,
    name: str = "records",
) -> pipeline_settings.Settings:
    """Return the settings of a call, with the secrets of the environment if none are given.

    Raises:
        ConfigurationError: A setting has an invalid value, or there are inputs and records.
    """
    if isinstance(given, pipeline_settings.Settings):
        settings = given.but(**options)
    else:
        settings = Settings.of(given, **options)
    if records is not None:
        if settings.inputs:
            raise ConfigurationError("records: give either inputs or records, not both")
        settings = replace(settings, inputs=(RowsInput.of(records, name),))
    return _with_secrets(settings)


def _with_secrets(settings: pipeline_settings.Settings) -> pipeline_settings.Settings:
    found: dict[str, Any] = {}
    if not settings.delivery.api_key:
        try:
            found["api_key"] = read_secret("api_key_file", settings.delivery.api_key_file, KEY)
        except ConfigurationError:
            if not settings.validation.dry_run:
                raise
    if not settings.identity.anonymous_id_salt:
        file = settings.identity.anonymous_id_salt_file
        salt = read_secret("anonymous_id_salt_file", file, SALT)
        found["anonymous_id_salt"] = salt.encode()
    return settings.but(**{name: value for name, value in found.items() if value})
