"""CSV, from bytes to records."""

from __future__ import annotations

import zlib

from fuzz.properties import check_source
from miso_upload.pipeline.settings import Settings

_HEADER = b"type,timestamp,user_id,product_ids,revenue,ip,user_agent,context.page.url\n"
SPECIMENS = (
    b'\n type ;user_id;"product_ids"\nlike;u;p\n;;\n"a;b"\n',
    b"\na,a\n1,2\n",
    b"checkout,2025-03-01T09:30:00Z,u1,p1,19.99,192.0.2.1,B/1,/a\n",
    b"like,2025-03-01,u1,\"['p1']\",x,,,\n\r\nlike,2025-03-01T00:00:00Z,,p,,2001:db8::1,B,u\r\n",
    b'"like","2025-03-01T09:30:00Z","u\n2","[""p"",""q""]",1,"192.0.2.1, 198.51.100.7",,\n',
    b'like,"2025\nlike,2025-03-01T09:30:00Z,u,p,1,,,\n',
    b"like\r,2025-03-01T09:30:00Z,u,p,1,,,\n1,2,3\n\x00,\xff,\n",
    b"checkout,1740821400,u,p," + b"0" * 60 + b"7,,,\n",
    b'a"b,c""d,"e"f,g\n' + b"x" * 60 + b"\n",
    b'search,2025-03-01T09:30:00Z,u,"p\nlike,2025-03-01T09:30:00Z,u,p,1,,,\nx",1,,,\n',
    b"rate,20250301093000,u,p,-.5e3,::ffff:192.0.2.1,-,\n",
)
TOKENS = (
    b'"', b'""', b"\\", b'\\"', b"'", b'","', b",", b"\n", b"\r\n", b"\r", b";", b"\t", b"|",
    b"like,", b"checkout,",
    b"2025-03-01T09:30:00Z,", b'["p","q"]', b"192.0.2.1", b"00000000", b"1e999", b"\xff", b"\x00",
)  # fmt: skip
_DIALECTS = (
    {},
    {"quote": "none"},
    {"quote": '"', "escape": "\\"},
    {"format": "tsv"},
    {"quote": "'", "delimiter": ";"},
)
_SETTINGS = tuple(
    Settings.of(inputs=("-",), timezone="Europe/Berlin", **{"format": "csv", **each})
    for each in _DIALECTS
)


def one_input(data: bytes) -> None:
    """Read any bytes with a fixed header or their own, in a dialect that depends on them."""
    settings = _SETTINGS[zlib.crc32(data[:64]) % len(_SETTINGS)]
    mark = (
        settings.reading.delimiter or ("\t" if settings.reading.format == "tsv" else ",")
    ).encode()
    header = b"" if data.startswith(b"\n") else _HEADER.replace(b",", mark)
    check_source(header + data, settings)
