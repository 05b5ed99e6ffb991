"""Access logs, from bytes to records, with the preset for visits."""

from __future__ import annotations

from fuzz.properties import check_source
from miso_upload.pipeline.settings import Settings

_TIMESTAMP = b"[01/Mar/2025:09:30:00 +0000]"
_LINE = (
    b"192.0.2.1 - - " + _TIMESTAMP + b' "GET /products/7?q=a HTTP/1.1" 200 512 '
    b'"https://shop.example/" "Browser/1.0"'
)
_FIELDS = b"#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status cs(User-Agent)\n"
SPECIMENS = (
    b"%\n" + _LINE + b' "a \\" b" c\n' + _LINE[:50],
    _LINE + b"\n",
    _LINE + b' "203.0.113.9, 198.51.100.7"\n' + _LINE[:70] + b"\n",
    _LINE.replace(b"/products/7?q=a", b'/\\x22\\"\\xC3\\xA9%2f%') + b"\r\n" + _LINE + b" 0.004 x\n",
    b"shop.example:443 " + _LINE + b"\n",
    b"2001:db8::1 - a b " + _TIMESTAMP + b' "-" 408 - "-" "-"\n# a comment\n\n',
    _FIELDS + b"2025-03-01 09:30:00 192.0.2.1 GET /a q=%20+ 200 Browser/1.0+(x)\n",
    b"#Version: 1.0\n" + _FIELDS.replace(b" ", b"\t") + b"2025-03-01\t09:30:00\t192.0.2.1\tGET\n",
    b"http 2025-03-01T09:30:00.123456Z lb 192.0.2.1:4711 10.0.0.1:80 0.0 0.001 0.0 200 200 1 2 "
    b'"GET https://shop.example:443/a HTTP/1.1" "Browser/1.0" - -\n',
    b'{"log":"' + _LINE.replace(b'"', b'\\"') + b'\\n","stream":"stdout","time":"t"}\n' * 2,
    b"2025-03-01T09:30:00Z stdout P " + _LINE[:40] + b"\n2025-03-01T09:30:00Z stdout F x\n",
    b"Mar  1 09:30:00 web1 nginx[7]: " + _LINE + b"\n",
    b"\x1b[36mweb-1  | \x1b[0m" + _LINE + b"\naccess.log:12:" + _LINE + b"\n",
    b'192.0.2.1 - - [99/Foo/2025:99:99:99 +9999] "\xff\xfe \x00" 200 - "a"b" "c\\"\n',
)
TOKENS = (
    _LINE, _TIMESTAMP, b" stdout P ", b" stdout F ", b'{"log":"', b'\\n","stream":"stdout"}', b'"GET / HTTP/1.1"', b' "-"', b" -", b"\\x22", b'\\"', b"\\", b"\\xC3\\xA9",
    b"\\u00e9", b"#Fields:", b"#", b" 200 ", b"192.0.2.1, ", b"a:b:1, ", b"[2001:db8::1]:80", b"%25",
    b"+", b"++", b"HTTP/1.1", b"\xff", b"\t", b"date time", b"60",
)  # fmt: skip
_SETTINGS = Settings.of(inputs=("-",), format="log")
_LOG_FORMAT = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"%*'
_DESCRIBED = Settings.of(inputs=("-",), log_format=_LOG_FORMAT)


def one_input(data: bytes) -> None:
    """Read any bytes as a log with a known format, or with a log format of the user."""
    check_source(b"\n" + data, _DESCRIBED if data.startswith(b"%") else _SETTINGS)
