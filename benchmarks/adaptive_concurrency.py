"""Measures how an upload adapts to a server whose capacity changes, and draws the curve.

    python benchmarks/adaptive_concurrency.py --curve docs/adaptive_concurrency.svg

A server on loopback takes a tenth of a second for each request. It has a capacity for concurrent
requests and answers 429, without `Retry-After`, beyond that. The capacity changes over time. The
upload may have 16 requests in flight at any time. With --fixed, the upload does not adapt, which
shows the benefit of the policy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.misbehaving import OK, Misbehaving, Say  # noqa: E402 -- found through the path above

CAPACITIES = (8, 2, 12, 4)
SERVICE_SECONDS = 0.1
CONCURRENCY = 16
ROWS_IN_A_REQUEST = 20
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 800, 320, 52, 44, 16, 40
FIXED = (
    "from miso_upload.delivery.throttle import Throttle; Throttle._cut = lambda *_: False; "
    "from miso_upload.cli import main; main()"
)


class Tick(NamedTuple):
    """What happened in one second."""

    capacity: float
    served: int
    refused: int


class Server:
    """Serves a limited number of concurrent requests; the limit changes over time."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.answers = []
        self._began = None
        self._in_flight = 0
        self._lock = threading.Lock()

    def capacity(self, since):
        """Return the capacity at a number of seconds after the first request."""
        return CAPACITIES[min(int(since / self.seconds), len(CAPACITIES) - 1)]

    def answer(self, _records):
        """Serve a request, or refuse it."""
        with self._lock:
            now = time.monotonic()
            self._began = self._began or now
            refused = self._in_flight >= self.capacity(now - self._began)
            if refused:
                self.answers.append((now - self._began, False))
                return Say(429, {"message": "Too many requests."})
            self._in_flight += 1
        time.sleep(SERVICE_SECONDS)
        with self._lock:
            self._in_flight -= 1
            self.answers.append((time.monotonic() - self._began, True))
        return OK

    def ticks(self):
        """Return what happened, second by second."""
        ticks = []
        for second in range(int(self.seconds * len(CAPACITIES))):
            here = [good for since, good in self.answers if int(since) == second]
            ideal = self.capacity(second) / SERVICE_SECONDS
            ticks.append(Tick(ideal, sum(here), len(here) - sum(here)))
        return ticks


def measure(seconds, *, fixed):
    """Run the upload for as long as the capacities last, and return the ticks."""
    server = Server(seconds)
    rows = ROWS_IN_A_REQUEST * int(sum(CAPACITIES) / SERVICE_SECONDS * seconds * 1.3)
    # Prefer memory, so that the disk does not limit the upload.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=memory) as folder,
        Misbehaving(then=server.answer) as mock,
    ):
        history = Path(folder) / "history.jsonl"
        with history.open("w") as file:
            for number in range(rows):
                record = {"type": "like", "user_id": f"u{number}", "product_ids": ["p"]}
                file.write(json.dumps(record | {"timestamp": "2024-05-01T10:00:00Z"}) + "\n")
        process = subprocess.Popen(
            [
                *(
                    [sys.executable, "-c", FIXED]
                    if fixed
                    else [sys.executable, "-m", "miso_upload"]
                ),
                *(str(history), "--server", mock.url, "--quiet", "--max-attempts", "1000"),
                *("--concurrency", str(CONCURRENCY), "--chunk-size", str(ROWS_IN_A_REQUEST)),
                *("--state-dir", folder, "--rejects", f"{folder}/rejects.jsonl"),
            ],
            env={**os.environ, "MISO_API_KEY": "benchmark", "PYTHONPATH": str(ROOT)},
        )
        while not server.answers:
            time.sleep(0.01)
        time.sleep(seconds * len(CAPACITIES))
        ticks = server.ticks()
        process.terminate()
        process.wait(60)
    return ticks


def figures(ticks, seconds):
    """Return the figures as a table in Markdown, one line for each capacity."""
    lines = ["| served at once | requests served, of possible | refused | caught up after |"]
    lines.append("|---|---|---|---|")
    for index, capacity in enumerate(CAPACITIES):
        phase = ticks[int(index * seconds) : int((index + 1) * seconds)]
        served = sum(tick.served for tick in phase)
        refused = sum(tick.refused for tick in phase)
        possible = sum(tick.capacity for tick in phase)
        good = (n for n, tick in enumerate(phase) if tick.served >= 0.8 * tick.capacity)
        lines.append(
            f"| {capacity} | {served:,} of {possible:,.0f} ({served / possible:.0%}) | "
            f"{refused:,} ({refused / (served + refused):.1%}) | {next(good, '-')} s |"
        )
    served, refused = (sum(getattr(tick, name) for tick in ticks) for name in ("served", "refused"))
    possible = sum(tick.capacity for tick in ticks)
    lines.append(
        f"| all | {served:,} of {possible:,.0f} ({served / possible:.0%}) | "
        f"{refused:,} ({refused / (served + refused):.1%}) | |"
    )
    return lines


def curve(ticks):
    """Return the curves of possible, served and refused requests as SVG."""
    most = max(tick.capacity for tick in ticks) * 1.15
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(second, value):
        return f"{LEFT + second / len(ticks) * wide:.1f},{TOP + (1 - value / most) * high:.1f}"

    def line(values, style):
        points = " ".join(at(second + 0.5, value) for second, value in enumerate(values))
        return f'<polyline points="{points}" fill="none" {style}/>'

    ends = list(accumulate(1 for _ in ticks))
    steps = [at(0, ticks[0].capacity)]
    for end, (before, after) in zip(ends, pairwise([*ticks, ticks[-1]]), strict=True):
        steps += [at(end, before.capacity), at(end, after.capacity)]
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<polyline points="{" ".join(steps)}" fill="none" stroke="#999" stroke-dasharray="5 3"/>',
        line([tick.served for tick in ticks], 'stroke="#1769aa" stroke-width="2"'),
        line([tick.refused for tick in ticks], 'stroke="#c62828" stroke-width="1.5"'),
    ]
    for value in range(0, int(most) + 1, 20):
        x, y = at(0, value).split(",")
        parts.append(
            f'<text x="{float(x) - 6}" y="{float(y) + 4}" text-anchor="end">{value}</text>'
        )
        parts.append(f'<line x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#eee"/>')
    for second in range(0, len(ticks) + 1, 10):
        x, y = at(second, 0).split(",")
        parts.append(f'<text x="{x}" y="{float(y) + 18}" text-anchor="middle">{second} s</text>')
    legend = (("#999", "possible"), ("#1769aa", "served"), ("#c62828", "refused with 429"))
    for index, (colour, text) in enumerate(legend):
        x = LEFT + index * 110
        parts.append(
            f'<line x1="{x}" y1="22" x2="{x + 20}" y2="22" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(f'<text x="{x + 26}" y="26">{text}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="26" text-anchor="end">requests a second</text>')
    return "\n".join([*parts, "</svg>", ""])


def main():
    """Measure, draw, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--seconds", type=float, default=15, help="seconds for each capacity; default: 15"
    )
    parser.add_argument(
        "--curve", type=Path, metavar="FILE", help="write the curve to this SVG file"
    )
    parser.add_argument("--fixed", action="store_true", help="do not adapt to the answers")
    options = parser.parse_args()
    ticks = measure(options.seconds, fixed=options.fixed)
    if options.curve:
        options.curve.write_text(curve(ticks), encoding="utf-8")
    print("\n".join(figures(ticks, options.seconds)))


if __name__ == "__main__":
    main()
