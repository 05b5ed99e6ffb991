"""The floor: a short script that reads, parses, encodes and posts records in one process.

It validates nothing, stores nothing, and checks only the status of each answer.

    floor.py FILE [URL]
"""

from __future__ import annotations

import sys

import orjson
import requests

CHUNK = 10_000


def main(path: str, url: str | None = None) -> None:
    """Send the records of a file, or only create the request bodies without a URL."""
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
