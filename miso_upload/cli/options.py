"""Derives the command line's options from the `options.py` of each package.

`options.py` in `sources`, `transform`, `delivery`, `ledger` and `report` declare the options of an
upload; `pipeline/settings.py` lists these parts. Options of one command only are in its module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from miso_upload.errors import ConfigurationError
from miso_upload.ledger.options import ResumeOptions
from miso_upload.sources.options import ReadingOptions
from miso_upload.values.option import options_of, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from click.shell_completion import CompletionItem

    from miso_upload.values.option import Option, Part

_ONLY_FOR_RUNS = {"growing", "settle_after", "max_row_bytes", "chunk_size", "allow_insecure_http"}


class GroupedOption(click.Option):
    """An option in a group of the help, with an environment variable.

    For example, the variable of `--chunk-size` is `MISO_UPLOAD_CHUNK_SIZE`.
    """

    def __init__(self, *args: Any, group: str = "Other", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group
        if self.envvar is None and self.name is not None:
            self.envvar = variable_of(self.name)

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Omit the range, which the error for a wrong number contains."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


class PartOption(GroupedOption):
    """An option of a part of the settings."""

    def __init__(self, option: Option) -> None:
        self.option = option
        kind: dict[str, Any] = {"type": _Value(option), "multiple": option.repeated}
        if option.kind == "flag":
            kind = {"is_flag": True}
        # As in -m, --mapping, --config: the short ones first.
        flags = sorted((option.flag, *option.short), key=lambda flag: flag.startswith("--"))
        super().__init__(
            [*flags, option.name],
            group=option.group, metavar=option.metavar, help=option.help,
            is_eager=option.name in _CALLBACKS, callback=_CALLBACKS.get(option.name), **kind,
        )  # fmt: skip

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return the default that the part declares."""
        del ctx
        return {"default": self.option.default_text} if self.option.default_text else {}


class _Value(click.ParamType[Any]):
    """The type of a value, as its option declares it."""

    def __init__(self, option: Option) -> None:
        self.name = option.kind
        self._option = option

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value; the part reads the values of a repeated option again, together."""
        del param
        try:
            read = self._option.read(value)
        except ValueError as error:
            raise ConfigurationError(f"{_hint(self._option, ctx)}: {error}") from None
        return value if self._option.repeated else read

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the values with this prefix, or ask the shell for files."""
        from click.shell_completion import CompletionItem

        if self._option.kind in ("file", "directory"):
            return [
                CompletionItem(
                    incomplete, type=self._option.kind[: 4 if self.name == "file" else 3]
                )
            ]
        return completing(_SUGGESTED.get(self._option.name, lambda: self._option.choices))(
            ctx, param, incomplete
        )


def _hint(option: Option, ctx: click.Context | None) -> str:
    """Return what an option is called, with the variable where its value comes from there."""
    source = ctx.get_parameter_source(option.name) if ctx else None
    if source is ParameterSource.ENVIRONMENT:
        return f"{option.flag} ({option.variable})"
    return option.flag


def completing(suggest: Callable[[], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    """Return a completion function that offers the suggestions with the prefix of the word."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(each) for each in suggest() if each.startswith(incomplete)]

    return complete


def preset_names() -> Iterable[str]:
    """Return the names of the presets, for completion."""
    from miso_upload.transform.mapping import preset_names as names

    return names()


def type_names() -> Iterable[str]:
    """Return the types of interactions, for completion."""
    from miso_upload.transform.schema.schema import shipped_schema

    return shipped_schema().types


def _types_to_set() -> Iterable[str]:
    return [f"type={name}" for name in type_names()]


def grouped(group: str) -> Callable[..., Callable[..., Any]]:
    """Return a `click.option` for the options of one command, in a group of its help."""

    def option(*args: Any, **kwargs: Any) -> Callable[..., Any]:
        kwargs.setdefault("show_default", "default" in kwargs)
        return click.option(*args, cls=GroupedOption, group=group, **kwargs)

    return option


def options_for(
    part: type[Part], *, only: Collection[str] | None = None, but: Collection[str] = ()
) -> list[PartOption]:
    """Return the options of the command line for a part of the settings.

    Args:
        part: The part.
        only: The names of the options to include; None for all.
        but: The names of the options to exclude.
    """
    return [
        PartOption(each)
        for name, each in options_of(part).items()
        if (only is None or name in only) and name not in but
    ]


def format_options() -> list[PartOption]:
    """Return the options for the format of an input, which several commands share."""
    return options_for(ReadingOptions, but=_ONLY_FOR_RUNS)


def state_option() -> list[PartOption]:
    """Return the option for the state directory."""
    return options_for(ResumeOptions, only={"state_dir"})


def format_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a command's options for the format of an input."""
    names = options_of(ReadingOptions).keys() - _ONLY_FOR_RUNS
    return {name: value for name, value in options.items() if name in names}


def state_dir_of(given: Any) -> Any:
    """Return the given state directory, or the default."""
    return ResumeOptions.of(state_dir=given).state_dir


def _use_options_of_preset(ctx: click.Context, _: click.Parameter, name: str | None) -> str | None:
    """Use the options of a preset as defaults; the options of a mapping file override them."""
    if name:
        from miso_upload.transform.mapping import read_preset

        held = _read_options(f"--preset {name}", read_preset(name).options)
        ctx.default_map = {**held, **(ctx.default_map or {})}
    return name


def _use_options_of_file(ctx: click.Context, _: click.Parameter, path: str | None) -> str | None:
    """Use the options of a mapping file as defaults; command line and environment override them."""
    if path is not None:
        from miso_upload.transform.mapping import read_mapping_file

        # The job reads the file again.
        held = _read_options(path, read_mapping_file(path, keep=True).options)
        ctx.default_map = {**(ctx.default_map or {}), **held}
    return path


def _read_options(origin: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of `[options]` by their names.

    All options of an upload are allowed, even those that the command does not use.

    Raises:
        ConfigurationError: An option does not exist or has an invalid value.
    """
    from miso_upload.pipeline.settings import all_options

    known = all_options()
    del known["mapping"]
    values = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in known:
            from miso_upload.values.display import did_you_mean

            meant = did_you_mean(name, known)
            raise ConfigurationError(f"{origin}: [options] has no option {name}{meant}")
        try:
            values[name] = known[name].read(value)
        except ValueError as error:
            raise ConfigurationError(f"{origin}: [options] {name}: {error}") from None
    return values


_SUGGESTED = {
    "preset": preset_names,
    "set": _types_to_set,
}
_CALLBACKS = {"mapping": _use_options_of_file, "preset": _use_options_of_preset}
