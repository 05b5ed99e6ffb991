"""The user's own function: loads a Python file and calls its `transform` for each row.

The file runs with all rights of the user who runs the program. Errors in it are reported by their
type, their message and the line of the file. They are never reported by a traceback, because that
may show addresses.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from contextlib import contextmanager, redirect_stdout
from datetime import date
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from miso_upload.errors import ConfigurationError
from miso_upload.records import Reason
from miso_upload.records.element import MAX_ELEMENTS
from miso_upload.values.display import did_you_mean, printable, quoted
from miso_upload.values.json import JSONEncodeError, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import CodeType

FUNCTION = "transform"
RETURNED_NONE = "transform returned None"
RETURNED_EMPTY = "transform returned an empty list"
"""The names that rows are counted under if the function skips them."""

_MOST_SHOWN = 120
Made: TypeAlias = "dict[str, Any] | Reason"
"""A row that the function made, or why it cannot be used."""
_NOT_AN_OBJECT = Reason("the row", "is not a JSON object")
_TOO_DEEP = Reason(FUNCTION, "returned a row that is nested too deeply or contains itself")
_NOT_ENCODABLE = Reason(
    FUNCTION,
    "returned a row that cannot be encoded as JSON, because of a lone surrogate or its depth",
)
_LEAST, _MOST = -(2**63), 2**64 - 1
"""The range of integers that the JSON library reads and writes."""


class UserCode:
    """The function `transform(row)` of a Python file.

    It can be pickled. The other process runs the same text, even if the file has changed since. A
    process runs each text once.

    Args:
        path: The path of the file, as the user wrote it.
        directory: The directory of the file, from which it can import.
        text: The text of the file.

    Attributes:
        fingerprint: A text that is equal for equal texts. It does not cover imported files.

    Raises:
        ConfigurationError: The text is not Python, raises an error, or has no such function.
    """

    def __init__(self, path: str, directory: str, text: bytes) -> None:
        self._arguments = (path, directory, text)
        self._path = path
        self.fingerprint = hashlib.sha256(text).hexdigest()[:12]
        # The name for `sys.modules` must not be that of any other module.
        name = hashlib.sha256(repr(self._arguments).encode()).hexdigest()[:16]
        module = ModuleType(f"_miso_upload_user_{name}")
        module.__file__ = str(Path(directory) / Path(path).name)
        self._run(self._compiled(text), module, directory)
        self._function: Callable[[dict[str, Any]], object] = self._found(module)

    def __reduce__(self) -> tuple[Callable[..., UserCode], tuple[str, str, bytes]]:
        return _load, self._arguments

    def apply(self, rows: Sequence[object]) -> list[Made | list[Made] | None]:
        """Return what the function returns for each row.

        That is a row, a list of rows, or None to skip the row; a reason replaces a row that cannot
        be used.

        The function may change the rows that it is given. What it prints goes to stderr.

        Raises:
            KeyboardInterrupt: The user interrupted the function.
        """
        with redirect_stdout(sys.stderr):
            returned = [self._apply(row) for row in rows]
        return returned if _can_be_encoded(returned) else [_encodable(each) for each in returned]

    def _apply(self, row: object) -> Made | list[Made] | None:
        if not isinstance(row, dict):
            return _NOT_AN_OBJECT
        try:
            returned = self._function(row)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 -- even sys.exit() costs only its row
            kind, message = _described(error)
            where = f"({self._path}:{self._line_of(error)})"
            return Reason(f"{FUNCTION} raised {kind}", where, message and f'"{message}"')
        if returned is None:
            return None
        if isinstance(returned, list | tuple):
            if len(returned) > MAX_ELEMENTS:
                return Reason(FUNCTION, f"returned a list of more than {MAX_ELEMENTS:,} rows")
            return [_checked_item(item) for item in returned]
        if not isinstance(returned, dict):
            problem = f"returned {_a(returned)}; it must return a dict, a list of dicts or None"
            return Reason(FUNCTION, problem)
        return _checked(returned)

    # -- loading -----------------------------------------------------------------------------------

    def _compiled(self, text: bytes) -> CodeType:
        try:
            return compile(text, self._path, "exec", dont_inherit=True)
        except SyntaxError as error:
            problem = f"the file is not valid Python: {printable(error.msg)}"
            raise ConfigurationError(f"{self._path}:{error.lineno or 1}: {problem}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise ConfigurationError(
                f"{self._path}: the file is not valid Python: {error}"
            ) from None

    def _run(self, code: CodeType, module: ModuleType, directory: str) -> None:
        # Dataclasses, for example, look up the module of a class by its name.
        sys.modules[module.__name__] = module
        try:
            with redirect_stdout(sys.stderr), _importable(directory):
                exec(code, module.__dict__)  # noqa: S102 -- this is what the user asks for
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 -- the user can act on any error
            del sys.modules[module.__name__]
            kind, message = _described(error)
            where = f"{self._path}:{self._line_of(error)}"
            detail = f": {message}" if message else ""
            raise ConfigurationError(f"{where}: running the file raised {kind}{detail}") from None

    def _found(self, module: ModuleType) -> Callable[[dict[str, Any]], object]:
        function = getattr(module, FUNCTION, None)
        if function is None:
            names = [name for name, value in vars(module).items() if inspect.isfunction(value)]
            raise ConfigurationError(
                f"{self._path}: the file has no function {FUNCTION}(row)"
                f"{did_you_mean(FUNCTION, names)}. "
                "Define one that returns a dict, a list of dicts, or None to skip the row"
            )
        where = self._path
        if inspect.isfunction(function) and function.__code__.co_filename == self._path:
            where = f"{where}:{function.__code__.co_firstlineno}"
        problem = _signature_problem(function)
        if problem is not None:
            raise ConfigurationError(f"{where}: {FUNCTION} {problem}")
        return function

    def _line_of(self, error: BaseException) -> int:
        """Return the line of the file that raised an error or called what raised it."""
        line, frame = 1, error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code.co_filename == self._path:
                line = frame.tb_lineno
            frame = frame.tb_next
        return line


def read_user_code(path: str) -> UserCode:
    """Return the function of the Python file at `path`.

    Raises:
        ConfigurationError: The file cannot be read or loaded. The message names the line.
    """
    try:
        text = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "no such file"
        raise ConfigurationError(
            f"--transform {path}: the file cannot be read: {problem}"
        ) from None
    return _load(path, str(Path(path).resolve().parent), text)


@cache
def _load(path: str, directory: str, text: bytes) -> UserCode:
    """Load a text once, although a worker process unpickles it with every block."""
    return UserCode(path, directory, text)


@contextmanager
def _importable(directory: str) -> Iterator[None]:
    """Let a file import modules of its directory, as `python FILE` does.

    Afterwards the directory is the last one that is searched, so that its modules do not replace
    those that the program imports later.
    """
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        if directory in sys.path:
            sys.path.remove(directory)
        if directory not in sys.path:
            sys.path.append(directory)


def _signature_problem(function: object) -> str | None:
    """Return why a value cannot be called with a row; None if nothing speaks against it."""
    if not callable(function):
        return f"is {_a(function)}, not a function"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is async. Define it with def"
    if inspect.isgeneratorfunction(function):
        return "is a generator. It must return a dict, a list or None instead of yielding"
    try:
        inspect.signature(function).bind({})
    except TypeError:
        return f"must take one argument, the row. Define it as def {FUNCTION}(row)"
    except ValueError:
        pass  # Functions of extension modules may have no signature.
    return None


def _described(error: BaseException) -> tuple[str, str]:
    """Return the type and the message of an error, safe to show."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 -- an error without a usable message
        message = ""
    return printable(type(error).__name__, _MOST_SHOWN), printable(message, _MOST_SHOWN)


# -- checking what the function returned -----------------------------------------------------------


class _NotJsonError(Exception):
    """A value that JSON does not have, and the path to it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(problem)
        self.path = path


def _checked(returned: dict[str, Any]) -> dict[str, Any] | Reason:
    """Return a row with plain JSON values only, or why that is impossible."""
    try:
        if _is_plain(returned):
            return returned
        row: dict[str, Any] = _plain(returned, "")
    except RecursionError:
        return _TOO_DEEP
    except _NotJsonError as error:
        return Reason(f"{quoted(error.path)} in the row that {FUNCTION} returned", str(error))
    except Exception as error:  # noqa: BLE001 -- a class of the user raised it
        return Reason(
            FUNCTION, f"returned a value that raised {_described(error)[0]} when it was read"
        )
    return row


def _checked_item(item: object) -> Made:
    if not isinstance(item, dict):
        return Reason(FUNCTION, f"returned a list with {_a(item)}; it must contain only dicts")
    return _checked(item)


def _can_be_encoded(returned: object) -> bool:
    try:
        encode(returned)
    except JSONEncodeError:
        return False
    return True


def _encodable(returned: Any) -> Any:  # noqa: ANN401 -- see `UserCode.apply`
    """Return what was returned for a row, or the reason why it cannot be encoded as JSON."""
    if isinstance(returned, list):
        return [_encodable(each) for each in returned]
    if isinstance(returned, dict) and not _can_be_encoded(returned):
        return _NOT_ENCODABLE
    return returned


def _is_plain(value: object) -> bool:
    """Return whether a value holds only the types that a JSON parser returns."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        for key, inner in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or not (type(inner) is str or _is_plain(inner)):
                return False
        return True
    if kind is list:
        return all(map(_is_plain, value))  # type: ignore[call-overload, unused-ignore]
    if kind is int:
        return _LEAST <= value <= _MOST  # type: ignore[operator]
    return kind is float and value - value == 0  # type: ignore[operator]


def _plain(value: object, path: str) -> Any:  # noqa: ANN401 -- any JSON value
    """Return a value as a JSON value: dates as ISO 8601, and tuples as lists."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, dict):
        return {_key(key, path): _plain(inner, _below(path, key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{path}[]") for inner in value]
    if isinstance(value, int | float):
        return _number(value, path)
    if isinstance(value, date):
        return value.isoformat()
    raise _NotJsonError(path, f"has type {type(value).__name__}; convert it to a JSON value")


def _number(value: float, path: str) -> float:
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise _NotJsonError(path, "is an integer of more than 64 bits")
        return int(value)
    if value - value != 0:
        raise _NotJsonError(path, "is not a finite number; return None for a missing value")
    return float(value)


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise _NotJsonError(path or FUNCTION, f"has {_a(key)} as a key; keys must be text")


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _a(value: object) -> str:
    """Return the name of a value's type, with an article."""
    name = printable(type(value).__name__, _MOST_SHOWN)
    return f"an {name}" if name[:1].lower() in "aeio" else f"a {name}"
