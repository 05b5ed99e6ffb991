"""Declares options as fields of frozen dataclasses.

A *part* of the settings is a frozen dataclass with a field for each option:

    @dataclass(frozen=True, kw_only=True)
    class DeliveryOptions(Part, group="Delivery"):
        concurrency: int = option(4, "Send up to N requests at once.", metavar="N", minimum=1)

The command line, `[options]` of mapping files, the environment and the Python API derive the names,
defaults, help and valid values of their options from these fields. This module knows none of them.
"""

from __future__ import annotations

import os
from dataclasses import MISSING, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

Kind = Literal["flag", "integer", "number", "text", "file", "directory"]

_METADATA = "option"
_WORDS = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


class Option(NamedTuple):
    """The declaration of an option.

    Attributes:
        name: The name of the field; the command line uses `-` for `_`.
        help: What the option does, with its unit, in full sentences.
        kind: The kind of its values.
        default_text: The default as the help shows it; empty for a flag.
        group: The group of the help that lists the option.
        metavar: The placeholder for a value in the help.
        short: Further flags of the command line, such as `-q`.
        choices: The valid values, if they are listed.
        minimum: The smallest valid number.
        above: A limit that a number must exceed.
        maximum: The largest valid number.
        repeated: Whether the option can be given several times; its value is then a tuple.
        reader: Converts a given value, or for a repeated option to a tuple of several; raises a
            ValueError whose text says what a value must be.
    """

    name: str
    help: str
    kind: Kind
    default_text: str
    group: str
    metavar: str | None
    short: tuple[str, ...]
    choices: tuple[str, ...]
    minimum: float | None
    above: float | None
    maximum: float | None
    repeated: bool
    reader: Callable[[Any], Any] | None

    @property
    def flag(self) -> str:
        """Return its name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Return the environment variable that sets it."""
        return variable_of(self.name)

    def read(self, given: object) -> Any:  # noqa: ANN401 -- the type is that of the field
        """Return the value for given text, TOML or Python values; a value that was read is kept.

        Raises:
            ValueError: The value is invalid; the text of the error follows the option's name.
        """
        if not self.repeated:
            return self._read_one(given)
        values: list[Any] = []
        for each in given if isinstance(given, list | tuple) else (given,):
            value = self._read_one(each)
            values += value if isinstance(value, tuple) else (value,)
        return tuple(values)

    def _read_one(self, given: object) -> Any:  # noqa: ANN401
        if self.reader is not None:
            return self.reader(given)
        match self.kind:
            case "flag":
                return _flag(given)
            case "integer":
                return self._in_range(_integer(given))
            case "number":
                return self._in_range(_number(given))
            case "file" | "directory":
                return _path(given, self.kind)
        if not isinstance(given, str):
            raise ValueError(f"must be text, but is {given!r}")  # noqa: TRY004 -- as the others
        if self.choices and given not in self.choices:
            raise ValueError(f"must be {_either(self.choices)}, but is {given!r}")
        return given

    def _in_range(self, value: float) -> float:
        low, high = self.minimum, self.maximum
        too_low = (low is not None and value < low) or (
            self.above is not None and value <= self.above
        )
        if too_low or (high is not None and value > high):
            raise ValueError(f"must be {self._range()}, but is {_shown(value)}")
        return value

    def _range(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"from {_shown(self.minimum)} to {_shown(self.maximum)}"
        if self.above is not None:
            return f"more than {_shown(self.above)}"
        return f"{_shown(self.minimum or 0)} or more"


def variable_of(name: str) -> str:
    """Return the environment variable that sets the option with this name."""
    return f"MISO_UPLOAD_{name.upper()}"


def option(  # noqa: PLR0913 -- keywords of a declaration
    default: Any,  # noqa: ANN401
    help: str,  # noqa: A002 -- as click calls it
    *,
    kind: Kind | None = None,
    default_text: str | None = None,
    group: str | None = None,
    metavar: str | None = None,
    short: Sequence[str] = (),
    choices: Sequence[str] = (),
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    reader: Callable[[Any], Any] | None = None,
    repeated: bool | None = None,
) -> Any:  # noqa: ANN401 -- a field of any type
    """Return the field of an option.

    Args:
        default: The default, or a function that returns it.
        help: See `Option`.
        kind: See `Option`; None for the kind of the default.
        default_text: See `Option`; None for the default itself.
        group: See `Option`; None for the group of the part.
        metavar: See `Option`.
        short: See `Option`.
        choices: See `Option`.
        minimum: See `Option`.
        above: See `Option`.
        maximum: See `Option`.
        reader: See `Option`.
        repeated: See `Option`; None for whether the default is a tuple.
    """
    declared = {
        "help": help,
        "kind": kind or _kind_of(default),
        "default_text": _shown(default) if default_text is None else default_text,
        **({"group": group} if group else {}),
        "metavar": metavar or ("|".join(choices) and f"[{'|'.join(choices)}]") or None,
        "short": tuple(short),
        "choices": tuple(choices),
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "repeated": isinstance(default, tuple) if repeated is None else repeated,
        "reader": reader,
    }
    if callable(default):
        return field(default_factory=default, metadata={_METADATA: declared})
    return field(default=default, metadata={_METADATA: declared})


class Part:
    """The base class of the parts of the settings; a subclass is a frozen dataclass.

    Raises:
        ConfigurationError: An option has an invalid value.
    """

    GROUP: ClassVar[str] = ""

    def __init_subclass__(cls, *, group: str) -> None:
        """Set the group of the help that lists the options of the part."""
        cls.GROUP = group

    def __post_init__(self) -> None:
        for name, each in options_of(type(self)).items():
            value = getattr(self, name)
            if value is not None:
                # A frozen dataclass: Python code may give text where the option is a path.
                object.__setattr__(self, name, _read(each, value))
        _check_types(self)

    @classmethod
    def of(cls, **given: Any) -> Self:  # noqa: ANN401 -- any option's value
        """Return the part with these options; None means the default.

        Raises:
            ConfigurationError: An option has an invalid value.
        """
        return cls(**cls._read({key: value for key, value in given.items() if value is not None}))

    def but(self, **given: Any) -> Self:  # noqa: ANN401
        """Return the same part with these options changed; None means the default.

        Raises:
            ConfigurationError: An option has an invalid value.
        """
        changed = {
            name: default_of(type(self), name) if value is None else value
            for name, value in given.items()
        }
        return replace(self, **self._read(changed))  # type: ignore[type-var]  # a dataclass

    @classmethod
    def _read(cls, given: dict[str, Any]) -> dict[str, Any]:
        options = options_of(cls)
        return {
            name: _read(options[name], value) if name in options and value is not None else value
            for name, value in given.items()
        }


def _check_types(part: Part) -> None:
    """Check the values that are no options, such as secrets, which no message may contain.

    Raises:
        ConfigurationError: A value has another type than its default.
    """
    for each in fields(part):  # type: ignore[arg-type]  # a subclass is a dataclass
        kind, value = type(each.default), getattr(part, each.name)
        is_checked = kind in (str, bytes) and _METADATA not in each.metadata
        if is_checked and not isinstance(value, kind):
            what = "text" if kind is str else "bytes"
            raise ConfigurationError(f"{each.name}: must be {what}, but is {type(value).__name__}")


def options_of(part: type[Part]) -> dict[str, Option]:
    """Return the options of a part, by the names of their fields."""
    found = part.__dict__.get("_options")
    if found is None:
        found = {
            each.name: Option(
                name=each.name,
                **{"group": part.GROUP, **each.metadata[_METADATA]},
            )
            for each in fields(part)  # type: ignore[arg-type]  # a subclass is a dataclass
            if _METADATA in each.metadata
        }
        part._options = found  # type: ignore[attr-defined]  # noqa: SLF001 -- kept with the class
    return found


def default_of(part: type[Part], name: str) -> Any:  # noqa: ANN401
    """Return the default of an option."""
    declared = next(each for each in fields(part) if each.name == name)  # type: ignore[arg-type]
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return declared.default


def _read(each: Option, given: object) -> Any:  # noqa: ANN401
    try:
        return each.read(given)
    except ValueError as error:
        raise ConfigurationError(f"{each.flag}: {error}") from None


def _kind_of(default: object) -> Kind:
    if isinstance(default, bool):
        return "flag"
    if isinstance(default, int):
        return "integer"
    return "number" if isinstance(default, float) else "text"


def _flag(given: object) -> bool:
    if isinstance(given, bool):
        return given
    found = _WORDS.get(given.strip().lower()) if isinstance(given, str) else None
    if found is None:
        raise ValueError(f"must be true or false, but is {given!r}")
    return found


def _integer(given: object) -> int:
    try:
        if isinstance(given, int | str) and not isinstance(given, bool):
            return int(given)
    except ValueError:
        pass
    raise ValueError(f"must be a whole number, but is {given!r}")


def _number(given: object) -> float:
    try:
        if isinstance(given, int | float | str) and not isinstance(given, bool):
            value = float(given)
            if value == value:  # noqa: PLR0124 -- it is not NaN
                return value
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"must be a number, but is {given!r}")


def _path(given: object, kind: Kind) -> str | Path:
    if not isinstance(given, str | os.PathLike):
        raise ValueError(f"must be the name of a {kind}, but is {given!r}")  # noqa: TRY004
    name: str = os.fsdecode(given)
    if kind == "directory":
        if os.path.isfile(name):  # noqa: PTH113 -- a name may hold what a Path cannot
            raise ValueError(f"{name} is a file; give the name of a directory")
        from pathlib import Path  # noqa: PLC0415 -- the help does without

        return Path(name)
    if os.path.isdir(name):  # noqa: PTH112
        raise ValueError(f"{name} is a directory; give the name of a file")
    return name


def _either(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]


def _shown(value: object) -> str:
    """Return a number or a default as people write it; empty text for a flag."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, float) and value == value // 1:
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
