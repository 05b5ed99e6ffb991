"""Runs other tools on the same file; needs a Python that has their packages.

peers.py miso-sdk FILE URL
peers.py target-miso FILE URL DIRECTORY
peers.py apachelogs FILE
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHUNK = 10_000


def miso_sdk(path: str, url: str) -> None:
    """Upload a file with Miso's SDK, in a loop as in its documentation."""
    from miso.sdk import ApiClient

    client = ApiClient("key", host=url, raise_on_error=True)
    records = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            records.append(json.loads(line))
            if len(records) == CHUNK:
                client.interaction.upload(data=records)
                records = []
    if records:
        client.interaction.upload(data=records)


def target_miso(path: str, url: str, directory: str) -> None:
    """Upload a file with target-miso, as a Singer stream."""
    folder = Path(directory)
    (folder / "interactions.jinja").write_text("{{ data | jsonify }}")
    config = folder / "config.json"
    config.write_text(
        json.dumps({"api_server": url, "api_key": "key", "template_folder": str(folder)})
    )
    command = [sys.executable, "-m", "target_miso.target", "--config", str(config)]
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as target,
        open(path, encoding="utf-8") as file,
    ):
        begin = {"type": "SCHEMA", "stream": "interactions", "schema": {}, "key_properties": []}
        target.stdin.write(json.dumps(begin) + "\n")
        for line in file:
            target.stdin.write(
                '{"type": "RECORD", "stream": "interactions", "record": ' + line.rstrip() + "}\n"
            )
        target.stdin.close()
        if target.wait():
            raise SystemExit(target.returncode)


def apachelogs(path: str) -> None:
    """Parse an access log and discard the result."""
    from apachelogs import COMBINED, parse_lines

    with open(path, encoding="utf-8") as file:
        for entry in parse_lines(COMBINED, file):
            assert entry.final_status


if __name__ == "__main__":
    {"miso-sdk": miso_sdk, "target-miso": target_miso, "apachelogs": apachelogs}[sys.argv[1]](
        *sys.argv[2:]
    )
