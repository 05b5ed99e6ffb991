"""Names inputs in messages, in the ledger, and for local files.

A URL may contain a secret: a signature in its query, or a password before its host. Wherever an
input is shown or stored, its name is the URL without both.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

STDIN = "-"
PYTHON_SCHEME = "python://"
"""The start of the names of rows that a Python program gives."""
REJECTS_SUFFIX = ".rejects.jsonl"
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
WEB_SCHEMES = ("https", "http")


def is_remote(name: str) -> bool:
    """Return whether `name` is a URL rather than a path."""
    return _URL.match(name) is not None


def shown_name(name: str) -> str:
    """Return the name of an input in messages, reports and the ledger."""
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
    """Return the path that names the files about an input: for a URL, its last part."""
    if not is_remote(name):
        return name
    scheme, _, rest = shown_name(name).partition("://")
    if scheme == "python":  # rows that a Python program gives have a name and no path
        return "".join(c if c.isalnum() or c in "-_. " else "_" for c in rest).strip(". ") or "rows"
    key = rest.partition("/")[2]
    last = PurePosixPath(unquote(key) if scheme in WEB_SCHEMES else key).name
    name = "".join(char if char.isprintable() else "_" for char in last)
    return name if name.strip(".") else "remote"
