"""Compares how miso-upload, target-miso and miso-sdk handle the same faults.

    python benchmarks/fault_matrix.py --clients .venv-clients/bin/python

Each tool uploads the same 4,000 rows, in requests of 1,000, over TLS to the server of
`tests/faults`, which injects a fault at the second request (or from it on). Then the server works
again, and the same command runs once more. The table counts the rows at the server.

`make .venv-clients/installed` creates the environment of the other tools. The SDK is a library, so
a short script calls it in a loop over the requests, with its defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers import misbehaving  # noqa: E402
from tests.helpers.certificates import self_signed  # noqa: E402 -- found through the path above
from tests.helpers.misbehaving import OK, Do, Misbehaving, Say, dripping, hang, tear_down  # noqa: E402
from tests.helpers.rows import row, write_rows  # noqa: E402

ROWS, ROWS_IN_A_REQUEST, BAD = 4_000, 1_000, 1_500
KEY = "sentinel-key-0123456789"
MOST_SECONDS = 45
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
PAGE = "<html><body>Welcome to this network. Please sign in.</body></html>"
NOBODY, REDIRECT = "nobody", "redirect"

SDK = """
import json, sys
from miso.sdk import ApiClient
client = ApiClient(sys.argv[1], host=sys.argv[2])
rows = [json.loads(line) for line in open(sys.argv[3])]
for start in range(0, len(rows), 1000):
    print(json.dumps(client.interaction.upload(data=rows[start : start + 1000])), flush=True)
"""


def refusing(body):
    """Return a step that refuses the bad row with the answer of `body` for its index."""

    def answer(records):
        users = [record["user_id"] for record in records]
        return Say(422, body(users.index(f"user-{BAD}"))) if f"user-{BAD}" in users else OK

    return answer


def named(index):
    """Return Miso's answer for one bad record."""
    message = "None of the records were inserted because at least one of them is invalid."
    line = f"data.{index}.product_ids is invalid. It must be an array."
    return {"errors": True, "message": message, "data": [line]}


class Fault(NamedTuple):
    """The fault of the second request, and of all later ones if `persistent`."""

    name: str
    step: object
    persistent: bool = False


FAULTS = (
    Fault("none", OK),
    Fault("nobody listens", NOBODY),
    Fault("429, `Retry-After: 1`", Say(429, {"message": "Too many."}, {"Retry-After": "1"})),
    Fault("500", Say(500, {"message": "Something went wrong."})),
    Fault("503 with a page", Say(503, PAGE)),
    Fault("persistent 503", Say(503, PAGE), persistent=True),
    Fault("502 after the rows were taken", Say(502, PAGE, keep=True)),
    Fault("connection lost before the rows were taken", Do(tear_down)),
    Fault("connection lost after they were taken", Do(tear_down, keep=True)),
    Fault("no answer, the rows were taken", Do(hang, keep=True)),
    Fault("an answer that drips", Do(dripping(HEAD, b" ", 0.5), keep=True)),
    Fault("200 with `errors: true`", Say(200, {"errors": True, "message": "None were inserted."})),
    Fault("200 with a page", Say(200, PAGE)),
    Fault("200 with half an answer", Say(200, '{"message": "succ')),
    Fault("307 to another host", REDIRECT),
    Fault("persistent 401", Say(401, {"message": "invalid api key."}), persistent=True),
    Fault(
        "413 over 500 rows", lambda rows: Say(413, "") if len(rows) > 500 else OK, persistent=True
    ),
    Fault("422 that names the one bad row", refusing(named), persistent=True),
    Fault("422 that names no row", refusing(lambda _: {"detail": "bad records"}), persistent=True),
)


class Ran(NamedTuple):
    """What a tool reported, and its exit code; None if it had to be killed."""

    said: str
    code: int | None


def run(command, folder, certificate, stdin=None):
    """Run a command with a time limit; return its exit code and its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"MISO_API_KEY": KEY, "REQUESTS_CA_BUNDLE": str(certificate)}
    environment |= {"MISO_UPLOAD_STATE_DIR": str(folder / "state"), "PYTHONWARNINGS": "ignore"}
    if command[0] == sys.executable:
        environment["PYTHONPATH"] = str(ROOT)
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired as stuck:
        said = [(each or b"").decode() for each in (stuck.stdout, stuck.stderr)]
        return None, *said
    return done.returncode, done.stdout, done.stderr


def leaks_of(said):
    """Return whether a tool showed a traceback or the key, as words for the table."""
    return ["traceback"] * ("Traceback" in said) + ["**shows the key**"] * (KEY in said)


def miso_upload(url, folder, certificate, _clients):
    """Upload with miso-upload."""
    code, out, err = run(
        [
            *(
                sys.executable,
                "-m",
                "miso_upload",
                folder / "rows.jsonl",
                "--server",
                url,
                "--json",
            ),
            *("--chunk-size", ROWS_IN_A_REQUEST, "--read-timeout", 3, "--max-attempts", 4),
        ],
        folder,
        certificate,
    )
    totals = json.loads(out.splitlines()[-1])["totals"]
    words = {"duplicates": "of them perhaps twice"}
    names = ("accepted", "duplicates", "rejected", "unknown", "pending")
    said = [f"{totals[name]:,} {words.get(name, name)}" for name in names if totals[name]]
    return Ran("; ".join([*leaks_of(out + err), ", ".join(said)]), code)


def target_miso(url, folder, certificate, clients):
    """Upload with the Singer target, which reads messages."""
    (folder / "rows.jinja").write_text("{{ data | jsonify }}")
    config = {"api_server": url, "api_key": KEY, "template_folder": str(folder)}
    (folder / "config.json").write_text(json.dumps(config))
    records = map(json.loads, (folder / "rows.jsonl").read_text().splitlines())
    messages = [
        {"type": "SCHEMA", "stream": "rows", "schema": {}, "key_properties": []},
        *({"type": "RECORD", "stream": "rows", "record": record} for record in records),
        {"type": "STATE", "value": {}},
    ]
    (folder / "messages").write_text("".join(json.dumps(each) + "\n" for each in messages))
    with (folder / "messages").open() as stdin:
        command = [clients, "-m", "target_miso.target", "--config", folder / "config.json"]
        code, out, err = run(command, folder, certificate, stdin)
    said = leaks_of(out + err)
    for text, pattern in (("success", r'"success"'), ("error logged", r"^(?:ERROR|CRITICAL) Resp")):
        if count := len(re.findall(pattern, err, re.MULTILINE)):
            said.append(f"{count} x {text}")
    return Ran("; ".join(said) or "nothing", code)


def miso_sdk(url, folder, certificate, clients):
    """Upload with the SDK, in a loop."""
    command = [clients, "-c", SDK, KEY, url, folder / "rows.jsonl"]
    code, out, err = run(command, folder, certificate)
    answers = Counter(
        "success" if '"success"' in line else f"`{line[:50].replace('|', '/')}`"
        for line in out.splitlines()
    )
    said = [f"{count} x {answer}" for answer, count in answers.items()]
    return Ran("; ".join([*leaks_of(out + err), *said]) or "nothing", code)


TOOLS = {"miso-upload": miso_upload, "target-miso": target_miso, "miso-sdk": miso_sdk}


def missing_and_doubled(server, fault):
    """Return how many good rows the server does not have, and how many copies are redundant."""
    bad = {BAD} if fault.name.startswith("422") else set()
    counts = Counter(server.numbers)
    wanted = set(range(1, ROWS + 1)) - bad
    return len(wanted - counts.keys()), sum(count - 1 for count in counts.values())


def run_with_fault(fault, tool, tls, clients):
    """Run a tool with a fault, and again without; return its part of a row of the table."""
    context, certificate = tls
    with (
        tempfile.TemporaryDirectory() as name,
        Misbehaving(tls=context) as elsewhere,
        Misbehaving(tls=context) as server,
    ):
        folder, again, step = Path(name), server, fault.step
        write_rows(folder / "rows.jsonl", [row(number) for number in range(1, ROWS + 1)])
        if step == NOBODY:
            server.stop_listening()
        elif step == REDIRECT:
            # With the path and query of the request, as servers do.
            there = f"{elsewhere.url}/v1/interactions?api_key={KEY}"
            server.script = [OK, Say(307, "", {"Location": there})]
        else:
            server.script = [OK, step]
            server.then = step if fault.persistent else OK
        first = TOOLS[tool](server.url, folder, certificate, clients)
        numbers = [len(server.held), *missing_and_doubled(server, fault)]
        if step == NOBODY:
            again = Misbehaving(tls=context, port=server.port)
            again.held = server.held
        if not fault.name.startswith(("413", "422")):
            again.heal()
        TOOLS[tool](again.url, folder, certificate, clients)
        numbers += missing_and_doubled(again, fault)
        again.close()
        away = len(elsewhere.held)
    said = first.said + (f"; **{away:,} rows and the key went elsewhere**" if away else "")
    code = "hangs" if first.code is None else first.code
    return f"{tool} | {said} | {code} | " + " | ".join(f"{number:,}" for number in numbers) + " |"


def main():
    """Run all tools with all faults and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", required=True, help="the Python that has the other tools")
    parser.add_argument("--fault", default="", help="run only faults whose names contain this")
    options = parser.parse_args()
    misbehaving.SECONDS_TO_HANG = 3 * MOST_SECONDS
    heads = ("fault", "tool", "it says", "exit code", "rows at the server", "missing", "doubled")
    heads += ("missing after a second run", "doubled after it")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    with tempfile.TemporaryDirectory() as folder:
        tls = self_signed(Path(folder))
        for fault in FAULTS:
            for tool in TOOLS if options.fault in fault.name else ():
                print(
                    f"| {fault.name} | {run_with_fault(fault, tool, tls, options.clients)}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
