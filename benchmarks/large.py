"""Measures large uploads: memory, CPU time per row, and the time to resume near the end.

    python benchmarks/large.py [--rows 20000000] [--spans 100000]

The input repeats the same seeded rows. The benchmark compares the memory and CPU time of uploads of
all rows and of a twentieth of them. It kills a third upload with -9 at 95%, and measures the time
until the first request of the next run. Then it fills the ledger with requests of ten rows, and
compares the cost of a row with that for a tenth of the spans. Needs 450 bytes of disk for each row.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import inputs
from null_server import REPLY, read_request
from run import ROOT, megabytes_of

BASE = 200_000
ROWS_OF_A_SPAN = 10


class Server:
    """Answers every request with success, counts them, and notes the time of the first one."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        self.first: float | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def reset(self) -> None:
        """Reset the counts."""
        self.requests, self.first = 0, None

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        room = bytearray(2**20)
        # A killed upload disconnects in the middle of a request.
        with connection, suppress(ConnectionError):
            while read_request(connection, room):
                self.first = self.first or time.monotonic()
                self.requests += 1
                connection.sendall(REPLY)


def repeat(base: Path, path: Path, times: int) -> Path:
    """Write a file several times into another."""
    with path.open("wb") as out:
        for _ in range(times):
            with base.open("rb") as file:
                shutil.copyfileobj(file, out, 2**24)
    return path


def upload(
    options: argparse.Namespace, path: Path, state: Path, server: Server, *more: str, until: int = 0
) -> dict[str, float]:
    """Upload a file, and kill the upload after `until` requests; return its figures."""
    server.reset()
    command = [options.program, "-m", "miso_upload", str(path), "--server", server.url, "-q"]
    command += ["--state-dir", str(state), *more]
    environment = {**os.environ, "MISO_API_KEY": "key", "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started, most = time.monotonic(), 0.0
    with subprocess.Popen(command, env=environment) as process:
        while process.poll() is None:
            most = max(most, megabytes_of(process.pid))
            if until and server.requests >= until:
                process.kill()
            time.sleep(0.05)
    if process.returncode != (-9 if until else 0):
        sys.exit(f"{path.name}: exit code {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": time.monotonic() - started,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "megabytes": most,
        "first": (server.first or started) - started,
        "requests": server.requests,
    }


def main() -> None:
    """Measure, and print the lines for docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--program", default=sys.executable, help="a Python that has miso-upload")
    options = parser.parse_args()
    server = Server()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        base = inputs.write_jsonl(folder / "base.jsonl", BASE)
        times = max(options.rows // BASE, 20)
        few = repeat(base, folder / "few.jsonl", times // 20)
        many = repeat(base, folder / "many.jsonl", times)
        for path, rows in ((few, times // 20 * BASE), (many, times * BASE)):
            took = upload(options, path, folder / path.stem, server)
            print(
                f"- {rows:,} rows: {took['megabytes']:.0f} MB at most in all processes, "
                f"{took['cpu'] / rows * 1e6:.2f} µs of CPU time per row, "
                f"{rows / took['seconds']:,.0f} rows per second",
                flush=True,
            )
        chunks = times * BASE // 10_000
        upload(options, many, folder / "killed", server, until=chunks * 95 // 100)
        took = upload(options, many, folder / "killed", server)
        print(
            f"- the last of them killed with -9 after 95%, and run again: the first request after "
            f"{took['first']:.2f} s, start-up included; {took['requests']:.0f} requests",
            flush=True,
        )
        for spans in (options.spans // 10, options.spans):
            rows = spans * ROWS_OF_A_SPAN
            part = folder / f"{spans}.jsonl"
            with many.open("rb") as file, part.open("wb") as out:
                out.writelines(line for line, _ in zip(file, range(rows), strict=False))
            size = ("--chunk-size", str(ROWS_OF_A_SPAN))
            took = upload(options, part, folder / part.stem, server, *size)
            print(
                f"- a ledger of {spans:,} spans, {ROWS_OF_A_SPAN} rows in each: "
                f"{took['cpu'] / rows * 1e6:.0f} µs of CPU time per row",
                flush=True,
            )


if __name__ == "__main__":
    main()
