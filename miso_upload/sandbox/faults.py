"""Defines the faults that the sandbox injects, their rates, and the random draw.

A fault happens either before the records are stored, or after: then they are stored, but the client
is not told. Both look the same to the client, which is what makes uploads hard.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAMES = (
    "<status>",
    "<status>-after",
    "drop",
    "drop-after",
    "garbage",
    "errors-true",
    "latency",
    "retry-after",
    "seed",
)
"""The names that `parse_faults` accepts; `<status>` is a number such as 429 or 503."""

_STATUS = re.compile(r"([45]\d\d)(-after)?")
_NO_FAULT = "ok"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: The name for `parse_faults`, such as `502-after`.
        effect: What the client gets instead of the answer.
        after: Whether the records are validated and stored before the fault.
        status: The status of the answer, if the effect is a status.
    """

    name: str
    effect: Literal["status", "drop", "garbage", "errors-true"]
    after: bool = False
    status: int | None = None

    @classmethod
    def named(cls, name: str) -> Fault | None:
        """Return the fault with this name, or None if it does not exist."""
        if match := _STATUS.fullmatch(name):
            return cls(name, "status", after=bool(match[2]), status=int(match[1]))
        return _BY_NAME.get(name)


_BY_NAME = {
    "drop": Fault("drop", "drop"),
    "drop-after": Fault("drop-after", "drop", after=True),
    "garbage": Fault("garbage", "garbage", after=True),
    "errors-true": Fault("errors-true", "errors-true"),
}


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that the sandbox injects. All rates are shares of the requests, from 0 to 1.

    A request has at most one fault, so the rates add up to at most 1.

    Attributes:
        latency: Seconds before any answer. The records are stored before the wait, even if the
            client gives up.
        statuses: Answer with this status and store nothing.
        after_statuses: Store the records, then answer with this status.
        retry_after: The `Retry-After` header of every 429 and 503 that stores nothing; a gateway
            that answers 503 because its connection broke does not send one.
        drop_before: Close the connection and store nothing.
        drop_after: Store the records, then close the connection without an answer.
        garbage: Store the records, then answer with an HTML page.
        errors_true: Answer 200 with `errors: true` and store nothing.
        script: The faults of the first requests, in order, before the rates apply: names such as
            "503" or "drop-after", and "ok" for none.
        seed: Makes the draws repeatable.
    """

    latency: float = 0.0
    statuses: Mapping[int, float] = field(default_factory=dict)
    after_statuses: Mapping[int, float] = field(default_factory=dict)
    retry_after: str | None = None
    drop_before: float = 0.0
    drop_after: float = 0.0
    garbage: float = 0.0
    errors_true: float = 0.0
    script: tuple[str, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigurationError: A rate, a status, a name or the latency is out of range.
        """
        if not 0 <= self.latency < float("inf"):
            raise ConfigurationError(
                f"Fault latency:{self.latency:g}: the latency must be zero or more seconds."
            )
        if self.retry_after is not None and not re.fullmatch(r"[ -~]+", self.retry_after):
            raise ConfigurationError(
                "Fault retry-after: the value must be a number of seconds or an HTTP date."
            )
        total = 0.0
        for name, rate in self.rates():
            if Fault.named(name) is None:
                raise ConfigurationError(f"Fault {name}: the status must be from 400 to 599.")
            if not 0 <= rate <= 1:
                raise ConfigurationError(f"Fault {name}:{rate:g}: the rate must be from 0 to 1.")
            total += rate
        if total > 1 + _ROUNDING:
            raise ConfigurationError(
                f"The rates of the faults add up to {total:g}; they must not exceed 1."
            )
        for name in self.script:
            if name != _NO_FAULT and Fault.named(name) is None:
                raise ConfigurationError(_unknown(name))

    def rates(self) -> Iterator[tuple[str, float]]:
        """Yield the name and the rate of each fault."""
        yield from ((str(status), rate) for status, rate in self.statuses.items())
        yield from ((f"{status}-after", rate) for status, rate in self.after_statuses.items())
        yield "drop", self.drop_before
        yield "drop-after", self.drop_after
        yield "garbage", self.garbage
        yield "errors-true", self.errors_true


class FaultDraw:
    """Draws the fault of each request."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 -- not a secret
        self._script = iter(faults.script)

    def next(self) -> Fault | None:
        """Return the fault of the next request, or None."""
        if (scripted := next(self._script, None)) is not None:
            return Fault.named(scripted)
        number = self._random.random()
        for name, rate in self.faults.rates():
            if number < rate:
                return Fault.named(name)
            number -= rate
        return None


def parse_faults(specs: Sequence[str]) -> Faults:
    """Return the faults for specifications such as `429:0.1`, `502-after:0.05` or `latency:0.5`.

    Raises:
        ConfigurationError: A specification is malformed, names an unknown fault, or is repeated.
    """
    options: dict[str, Any] = {"statuses": {}, "after_statuses": {}}
    seen: set[str] = set()
    for spec in specs:
        name, colon, value = (part.strip() for part in spec.partition(":"))
        if not colon or not value:
            raise ConfigurationError(
                f'Fault "{spec}": the format is name:rate, for example 429:0.1.'
            )
        if name in seen:
            raise ConfigurationError(f'Fault "{spec}": {name} is given twice.')
        seen.add(name)
        if match := _STATUS.fullmatch(name):
            of_kind = options["after_statuses" if match[2] else "statuses"]
            of_kind[int(match[1])] = _number(spec, value)
        elif name == "retry-after":
            options["retry_after"] = value
        elif name == "seed":
            options["seed"] = _seed(spec, value)
        elif name in _OPTIONS:
            options[_OPTIONS[name]] = _number(spec, value)
        else:
            raise ConfigurationError(_unknown(name))
    return Faults(**options)


_OPTIONS = {
    "drop": "drop_before",
    "drop-after": "drop_after",
    "garbage": "garbage",
    "errors-true": "errors_true",
    "latency": "latency",
}


def _number(spec: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ConfigurationError(f'Fault "{spec}": "{value}" is not a number.') from None


def _seed(spec: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ConfigurationError(f'Fault "{spec}": "{value}" is not a whole number.') from None


def _unknown(name: str) -> str:
    return f'Unknown fault "{name}". Known faults: {", ".join(NAMES)} (<status> from 400 to 599).'
