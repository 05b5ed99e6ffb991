r"""Compiles a log format in the notation of nginx or Apache into a layout.

    nginx    $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent
    Apache   %h %l %u %t \"%r\" %>s %b

Both notations have two extensions for lines that differ within a log: a part between `%(` and `%)`,
or `$(` and `$)`, is optional, and `%*` or `$*` matches any further fields.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.access_log import timestamps
from miso_upload.sources.formats.access_log.fields import Field, header, named
from miso_upload.sources.formats.access_log.layout import (
    Layout,
    OptionalPart,
    Rest,
    fields_of,
    with_quotes,
)
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miso_upload.sources.formats.access_log.layout import Part

_PASTED = re.compile(
    r"""\s*(?:log_format\s+[\w-]+(?:\s+escape=\w+)?\s+(?P<nginx>.*?);?
      | (?:LogFormat|CustomLog\s+\S+)\s+"(?P<apache>.*)"(?:\s+[\w-]+)?)\s*\Z""",
    re.DOTALL | re.VERBOSE,
)
_PASTED_PART = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*""")
_BACKSLASH = re.compile(r"""\\([tn"'\\])""")
_BACKSLASHED = {"t": "\t", "n": "\n"}

_NGINX = re.compile(r"\$(?:\{(\w+)\}|(\w+)|([()*]))")
_APACHE = re.compile(r"%(?:([()*])|[!<>0-9,]*(?:\{([^}]*)\})?[!<>0-9,]*(\^t[io]|[A-Za-z%]))")
_PORT = r"[0-9]{1,5}+"
_WITH_DOT_OR_COLON = r"(?=[^\s]*[.:])[^\s,\"]++(?:, ?[^\s,\"]++)*+"
_SEVERAL = r"[^\s\",]++(?:(?:,| :) [^\s\",]++)*+"
"""nginx lists all upstream servers of a request, separated by commas and colons."""

_VARIABLES = {
    "remote_addr": Field("remote_addr", "ip"),
    "realip_remote_addr": Field("realip_remote_addr", "ip", rank=1),
    "proxy_add_x_forwarded_for": Field("proxy_add_x_forwarded_for", "forwarded_for", rank=1),
    "remote_user": Field("remote_user", "user"),
    "time_local": Field("time_local", "timestamp", form=timestamps.CLF),
    "time_iso8601": Field("time_iso8601", "timestamp", form=timestamps.ISO),
    "msec": Field("msec", "timestamp", rank=1, form="epoch s"),
    "request": Field("request", "request"),
    "request_method": Field("request_method", "method"),
    "request_uri": Field("request_uri", "url"),
    "uri": Field("uri", "path"),
    "document_uri": Field("document_uri", "path", rank=1),
    "is_args": Field("is_args", "nothing"),
    "args": Field("args", "query"),
    "query_string": Field("query_string", "query", rank=1),
    "server_protocol": Field("server_protocol", "protocol"),
    "status": Field("status", "status"),
    "body_bytes_sent": Field("body_bytes_sent", "bytes"),
    "bytes_sent": Field("bytes_sent", "bytes", rank=1),
    "host": Field("host", "host"),
    "http_host": Field("http_host", "host", rank=1),
    "server_name": Field("server_name", "host", rank=2),
    "scheme": Field("scheme", "scheme", rank=1),
    "https": Field("https", "secure"),
    "request_time": Field("request_time", "request_time"),
    "remote_port": Field("remote_port", shape=_PORT),
    "server_port": Field("server_port", shape=_PORT),
    "client_port": Field("client_port", shape=_PORT),
    # Amazon's load balancers write http, https, h2, grpcs, ws or wss.
    "listener": Field("type", "secure"),
}
_DIRECTIVES = {
    "h": Field("remote_host", "ip", rank=1),
    "a": Field("remote_addr", "ip", shape=_WITH_DOT_OR_COLON),
    "l": Field("ident", "ident"),
    "u": Field("remote_user", "user"),
    "r": Field("request", "request"),
    "m": Field("request_method", "method"),
    "U": Field("path", "path"),
    "q": Field("query", "query"),
    "H": Field("server_protocol", "protocol"),
    "s": Field("status", "status"),
    "b": Field("body_bytes_sent", "bytes"),
    "B": Field("body_bytes_sent", "bytes"),
    "O": Field("bytes_sent", "bytes", rank=1),
    "I": Field("bytes_received"),
    "S": Field("bytes_transferred"),
    "V": Field("server_name", "host", rank=2),
    "v": Field("canonical_server_name", "host", rank=3),
    "p": Field("port", shape=_PORT),
    "D": Field("request_time_us", "request_time", rank=1, form="6"),
    "T": Field("request_time_s", "request_time", rank=2),
    "X": Field("connection_status"),
    "P": Field("process_id"),
    "k": Field("keepalive_requests"),
    "A": Field("local_addr"),
    "f": Field("filename"),
    "L": Field("log_id"),
    "R": Field("handler"),
}
_TIMES = {
    "": timestamps.CLF,
    "sec": "epoch s",
    "msec": "epoch ms",
    "usec": "epoch us",
    "msec_frac": "%f",
    "usec_frac": "%f",
    "%s": "epoch s",
}
_SELF_DELIMITING = frozenset({"timestamp", "status", "scheme", "host", "path", "nothing"})
_MOST_OPTIONAL = 8
"""Each optional part doubles the number of ways to match a line."""
_UNITS = {"s": ("request_time_s", 2, ""), "ms": ("request_time_ms", 1, "3"),
          "us": ("request_time_us", 0, "6")}  # fmt: skip


def layout_of(text: str, rest: tuple[str, ...] = ()) -> Layout:
    """Return the layout that `text` describes in the notation of nginx or Apache.

    A whole line of their configuration, such as `log_format main '...';`, is accepted too.

    Args:
        text: The description.
        rest: The names of the fields that `*` matches.

    Raises:
        ConfigurationError: The text describes no layout, or the end of a field is ambiguous.
    """
    text = _format_in(text)
    if text.lstrip().startswith("{"):
        raise ConfigurationError(
            "--log-format: a log with JSON lines needs no --log-format; remove the option and map "
            "the fields of the lines"
        )
    nginx = _NGINX.search(text) is not None
    parts = _parts(text, _NGINX if nginx else _APACHE, _of_nginx if nginx else _of_apache, rest)
    if not any(True for _ in fields_of(parts)):
        raise ConfigurationError(
            f"--log-format {quoted(text)}: the format names no field; copy it from the "
            "configuration of nginx ($remote_addr ...) or Apache (%h ...)"
        )
    _check_ends(parts)
    timestamps.check_readable(
        each.form for each in named(list(fields_of(parts))) if each.role == "timestamp"
    )
    return Layout(with_quotes(parts))


def _format_in(text: str) -> str:
    """Return the format without the configuration line around it and its backslashes."""
    pasted = _PASTED.match(text)
    if pasted is not None and pasted["nginx"] is not None:
        found = _PASTED_PART.findall(pasted["nginx"])
        text = "".join(single or double for single, double in found) or pasted["nginx"]
    elif pasted is not None:
        text = pasted["apache"]
    return _BACKSLASH.sub(lambda found: _BACKSLASHED.get(found[1], found[1]), text).strip("\n")


def _parts(
    text: str,
    pattern: re.Pattern[str],
    fields_in: Callable[[re.Match[str]], tuple[Part, ...]],
    rest: tuple[str, ...],
) -> tuple[Part, ...]:
    stack: list[list[Part]] = [[]]
    at = optional = 0
    for found in pattern.finditer(text):
        _add(stack[-1], text[at : found.start()])
        at = found.end()
        mark = next((group for group in found.groups() if group in ("(", ")", "*")), None)
        if mark == "(":
            optional += 1
            if optional > _MOST_OPTIONAL:
                raise ConfigurationError(
                    f"--log-format: the format has more than {_MOST_OPTIONAL} optional parts; "
                    "remove some of them"
                )
            stack.append([])
        elif mark == ")":
            if len(stack) == 1:
                raise ConfigurationError(
                    f"--log-format: {quoted(found[0])} closes no optional part; remove it, or open "
                    f"the part with {quoted(found[0].replace(')', '('))}"
                )
            enclosed = OptionalPart(tuple(stack.pop()))
            stack[-1].append(enclosed)
        else:
            for part in (Rest(rest),) if mark else fields_in(found):
                _add(stack[-1], part)
    _add(stack[-1], text[at:])
    if len(stack) > 1:
        raise ConfigurationError(
            "--log-format: an optional part is not closed; close it with %) or $)"
        )
    return tuple(stack[0])


def _add(parts: list[Part], part: Part) -> None:
    if isinstance(part, str) and parts and isinstance(parts[-1], str):
        parts[-1] += part
    elif part != "":
        parts.append(part)


def _of_nginx(found: re.Match[str]) -> tuple[Part, ...]:
    name = found[1] or found[2]
    if name in _VARIABLES:
        return (_VARIABLES[name],)
    if name.startswith("http_"):
        return (header(name.removeprefix("http_").replace("_", "-"), name),)
    return (Field(name, shape=_SEVERAL if name.startswith("upstream_") else ""),)


def _of_apache(found: re.Match[str]) -> tuple[Part, ...]:
    about, letter = found[2], found[3]
    if letter == "%":
        return ("%",)
    if letter == "t":
        return _time(about or "")
    if about is None:
        return (_DIRECTIVES.get(letter) or Field(f"%{letter}"),)
    return (_about(about, letter),)


def _about(about: str, letter: str) -> Field:
    """Return the field of a directive with a parameter in braces."""
    if letter == "i":
        return header(about, about)
    if letter == "T" and about in _UNITS:
        name, rank, form = _UNITS[about]
        return Field(name, "request_time", rank=rank, form=form)
    known = {
        "C": Field(f"cookie_{about}"),
        "a": Field("peer_addr", "ip", rank=2),
        "h": Field("peer_host", "ip", rank=3),
        "p": Field(f"{about}_port", shape=_PORT),
    }
    return known.get(letter) or Field(about if letter in "oenx" else f"%{{{about}}}{letter}")


def _time(about: str) -> tuple[Part, ...]:
    about = about.removeprefix("begin:").removeprefix("end:")
    form = _TIMES.get(about) or timestamps.as_strptime(about)
    field = Field("time", "timestamp", form=form)
    return (field,) if about else ("[", field, "]")


def _check_ends(parts: Sequence[Part]) -> None:
    """Check that the end of each field is unambiguous."""
    for part, following in pairwise(parts):
        if (
            isinstance(part, Field)
            and isinstance(following, Field)
            and not (part.shape or part.role in _SELF_DELIMITING)
        ):
            raise ConfigurationError(
                f"--log-format: there is no text between {part.name} and {following.name}, so the "
                "end of the first is ambiguous; separate them"
            )
    for part in parts:
        if isinstance(part, OptionalPart):
            _check_ends(part.parts)
