"""Names the columns of JSON access logs by the names that rows of other access logs have.

Sources: the manuals of nginx (ngx_http_log_module), Caddy (`log`), Traefik (access logs) and Envoy
(access log with `json_format`), and the names that users commonly give in a JSON `log_format`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REQUEST = "request"
"""The column of a whole request line, from which `JsonLog` makes the columns below."""
OF_REQUEST = ("method", "url", "protocol")

_ESSENTIAL = ("ip", "timestamp", "url", "status")
_INDEX = re.compile(r"\[([0-9]+)\]\Z")
_MOST_ROWS = 50


class LogColumns(NamedTuple):
    """The columns of a JSON access log.

    Attributes:
        server: The server that writes such logs, for messages.
        columns: The rows' names of columns, by the names in the rows of other access logs.
        ignored: Columns that records do not need.
    """

    server: str
    columns: dict[str, str]
    ignored: tuple[str, ...] = ()


class _Server(NamedTuple):
    """The columns of a server's JSON access logs.

    Attributes:
        name: The name of the server.
        needs: Columns that all of its rows have.
        columns: Possible columns by role; the first one that a row has is used.
        ignored: Columns that records do not need.
    """

    name: str
    needs: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...]


_SERVERS = (
    _Server("Caddy", ("request.remote_ip", "request.method", "request.uri", "status"), {
        "ip": ("request.client_ip", "request.remote_ip"),
        "forwarded_for": ("request.headers.X-Forwarded-For[0]",),
        "timestamp": ("ts",),
        "method": ("request.method",),
        "url": ("request.uri",),
        "host": ("request.host",),
        "referrer": ("request.headers.Referer[0]",),
        "user_agent": ("request.headers.User-Agent[0]",),
    }, ("duration", "level", "logger", "msg", "bytes_read", "size", "resp_headers", "request")),
    _Server("Traefik", ("ClientHost", "RequestMethod", "RequestPath", "DownstreamStatus"), {
        "ip": ("ClientHost",),
        "forwarded_for": ("request_X-Forwarded-For",),
        "timestamp": ("StartUTC", "time", "StartLocal"),
        "method": ("RequestMethod",),
        "url": ("RequestPath",),
        "status": ("DownstreamStatus",),
        "host": ("RequestHost",),
        "scheme": ("RequestScheme",),
        "referrer": ("request_Referer",),
        "user_agent": ("request_User-Agent",),
    }, (
        "ClientAddr", "ClientPort", "Duration", "DownstreamContentSize", "GzipRatio",
        "OriginStatus", "OriginContentSize", "OriginDuration", "Overhead",
        "RequestAddr", "RequestContentSize",
        "RequestCount", "RequestPort", "RequestProtocol", "RetryAttempts", "RouterName",
        "ServiceAddr", "ServiceName", "ServiceURL", "StartLocal", "entryPointName", "level", "msg",
        "time", "TLSCipher", "TLSVersion", "SpanId", "TraceId",
    )),
    _Server("Envoy", ("method", "path", "response_code"), {
        "ip": ("downstream_remote_address", "x_forwarded_for"),
        "forwarded_for": ("x_forwarded_for",),
        "timestamp": ("start_time", "timestamp"),
        "url": ("path",),
        "status": ("response_code",),
        "host": ("authority",),
        "user_agent": ("user_agent",),
        "referrer": ("referer", "referrer"),
    }, (
        "duration", "bytes_received", "bytes_sent", "request_id", "response_flags", "upstream_host",
        "upstream_service_time", "upstream_cluster", "upstream_local_address", "route_name",
        "downstream_local_address", "requested_server_name", "response_code_details",
        "connection_termination_details", "upstream_transport_failure_reason",
    )),
    _Server("nginx", (), {
        "ip": ("remote_addr", "realip_remote_addr", "client_ip", "clientip", "remote_ip", "client",
               "remoteAddress", "ip"),
        "forwarded_for": ("http_x_forwarded_for", "x_forwarded_for", "xff"),
        "timestamp": ("time_iso8601", "@timestamp", "timestamp", "time_local", "time", "msec", "ts",
                      "datetime", "date"),
        "method": ("request_method", "http_method", "verb", "method"),
        "url": ("request_uri", "request_url", "uri", "url", "path"),
        "status": ("status", "status_code", "response", "http_status"),
        "referrer": ("http_referer", "http_referrer", "referer", "referrer"),
        "user_agent": ("http_user_agent", "agent", "user_agent", "useragent", "userAgent"),
        "host": ("http_host", "host", "server_name", "vhost"),
        "scheme": ("scheme",),
    }, (
        REQUEST, "body_bytes_sent", "bytes_sent", "request_length", "upstream_addr",
        "upstream_status", "upstream_response_time", "upstream_connect_time",
        "upstream_header_time", "upstream_cache_status", "connection", "connection_requests",
        "pipe", "ssl_protocol", "ssl_cipher", "server_protocol", "gzip_ratio", "server_port",
        "request_id", "msec", "time_local", "server_name", "remote_port",
    )),
)  # fmt: skip


def log_columns(rows: Iterable[Any]) -> LogColumns | None:
    """Return the columns of rows that seem to be a JSON access log.

    Rows that use the names of other access logs need no other names, so they are none.
    """
    first = [row for row, _ in zip(rows, range(_MOST_ROWS), strict=False) if isinstance(row, dict)]
    for server in _SERVERS:
        several = [row for row in first if _is_of(server, row)]
        if several and 2 * len(several) > len(first):
            columns = _columns(server, several)
            own = {role: column for role, column in columns.items() if role != column}
            return LogColumns(server.name, own, server.ignored) if own else None
    return None


def _is_of(server: _Server, row: dict[str, Any]) -> bool:
    if not all(_has(row, path) for path in server.needs):
        return False
    columns = _columns(server, [row])
    return all(role in columns or (role == "status" and _has(row, role)) for role in _ESSENTIAL)


def _columns(server: _Server, rows: list[dict[str, Any]]) -> dict[str, str]:
    found = {}
    for role, paths in server.columns.items():
        path = next((path for path in paths if any(_has(row, path) for row in rows)), None)
        if path is not None:
            found[role] = path
    if found.get("ip") == found.get("forwarded_for"):
        # A forwarded list that ends with the address that connected.
        found.pop("forwarded_for", None)
    if server.needs:
        found.setdefault("status", "status")
    elif any(isinstance(row.get(REQUEST), str) for row in rows):
        found.setdefault("method", "method")
        found.setdefault("url", "url")
    return found


def _has(row: Any, path: str) -> bool:  # noqa: ANN401 -- JSON is any value
    """Return whether a row has a value at a path such as `request.headers.Referer[0]`."""
    for step in path.split("."):
        index = _INDEX.search(step)
        name = step[: index.start()] if index else step
        if not isinstance(row, dict) or row.get(name) in (None, ""):
            return False
        row = row[name]
        if index and not (isinstance(row, list) and len(row) > int(index[1])):
            return False
    return True
