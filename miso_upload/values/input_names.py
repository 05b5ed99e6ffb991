"""What inputs are called: on a command line, in messages and ledgers, and as files here.

A URL may hold a secret: a signature in its query, a password before its host. So an input is called
by its URL without either, wherever it is shown or remembered.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

STDIN = "-"
REJECTS_SUFFIX = ".rejects.jsonl"
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
WEB_SCHEMES = ("https", "http")


def is_remote(name: str) -> bool:
    """Whether `name` is a URL and no path."""
    return _URL.match(name) is not None


def shown_name(name: str) -> str:
    """Return what an input is called in messages, reports and ledgers."""
    if name == STDIN:
        return "stdin"
    if not is_remote(name):
        return name
    scheme, _, rest = name.partition("://")
    if scheme.lower() in WEB_SCHEMES:
        rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.rpartition('@')[2]}{slash}{path}"


def local_name(name: str) -> str:
    """Return the path that files about an input are called after: for a URL, its last part."""
    if not is_remote(name):
        return name
    scheme, _, rest = shown_name(name).partition("://")
    key = rest.partition("/")[2]
    last = PurePosixPath(unquote(key) if scheme in WEB_SCHEMES else key).name
    name = "".join(char if char.isprintable() else "_" for char in last)
    return name if name.strip(".") else "remote"
