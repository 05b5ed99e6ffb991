"""The floor: what a short script does, in one process, that reads, parses, encodes and posts.

It validates nothing, remembers nothing and looks at no answer but its status.

    floor.py FILE [URL]
"""

from __future__ import annotations

import sys

import orjson
import requests

CHUNK = 10_000


def main(path: str, url: str | None = None) -> None:
    """Send the records of a file, or only make the requests' bodies."""
    session = requests.Session()

    def send(records: list[bytes]) -> None:
        body = b'{"data":[' + b",".join(records) + b"]}"
        if url is not None:
            headers = {"Content-Type": "application/json"}
            session.post(f"{url}/v1/interactions", body, headers=headers).raise_for_status()

    records: list[bytes] = []
    with open(path, "rb") as file:
        for line in file:
            records.append(orjson.dumps(orjson.loads(line)))
            if len(records) == CHUNK:
                send(records)
                records = []
    if records:
        send(records)


if __name__ == "__main__":
    main(*sys.argv[1:])
