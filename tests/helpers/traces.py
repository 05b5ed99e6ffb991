"""Running the real program as talkatively as it can be, and searching all that it leaves behind.

`Stage` gives a run a home, a state directory and a place for temporary files of its own, and turns
on every sort of logging that there is (see `talkative/sitecustomize.py`), Python's development mode
and its fault handler. `Traces` is where somebody may look afterwards, or meanwhile: both streams,
every file, and the command lines and environments of the processes.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from tests.helpers.paths import ROOT
from tests.helpers.processes import started

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sentinel-Key+97/zq=4711"
PROXY_PASSWORD = "sentinel-of-the-proxy"
NETRC_PASSWORD = "sentinel-of-netrc"
SECRETS = (KEY, PROXY_PASSWORD, NETRC_PASSWORD)
ADDRESSES = ("203.0.113.77", "2001:db8:77::5a", "198.51.100.177")


@dataclass
class Traces:
    """What a run left behind: bytes by where they were found."""

    exit_code: int = 0
    places: dict[str, bytes] = field(default_factory=dict)

    @property
    def stdout(self) -> str:
        """Return what it printed."""
        return self.places["stdout"].decode()

    @property
    def stderr(self) -> str:
        """Return what it and its libraries logged."""
        return self.places["stderr"].decode()

    def of(self, texts: tuple[str, ...], *, but: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        """Return each place, but those that end like `but`, in which one of `texts` is found."""
        return [
            (place, text)
            for place, held in self.places.items()
            for text in texts
            if not place.endswith(but or "\0") and any(form in held for form in forms(text))
        ]


def forms(text: str) -> set[bytes]:
    """Return how a text may be written: as it is, in a URL, in base64 (at any offset), in hex."""
    raw = text.encode()
    found = {raw, quote(text, safe="").encode(), quote(text).encode(), quote_plus(text).encode()}
    found |= {raw.hex().encode(), raw.lower(), raw.upper()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        found.add(encoded[4 if offset else 0 : len(encoded) - 4])
    return found


class Stage:
    """Where the program runs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("home", "state", "tmp", "work", "log"):
            (place / name).mkdir()
        self.work = place / "work"
        self.inputs: set[Path] = set()
        netrc = place / "home" / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login visitor password {NETRC_PASSWORD}\n")
        netrc.chmod(0o600)
        self.inputs.add(netrc)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write an input, which may hold whatever it likes."""
        path = self.work / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.inputs.add(path)
        return path

    def run(self, *args: object, kill=None, stdin=None, **environment: str) -> Traces:
        """Run the program to its end; `kill(process)` may bring that about."""
        command = [sys.executable, "-X", "dev", "-m", "miso_upload", *map(str, args)]
        traces = Traces()
        with started(
            command, cwd=self.work, env=self._environment(environment),
            stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            umask=0,
        ) as process, watched(process.pid, command, traces):  # fmt: skip
            if kill is not None:
                kill(process)
            stdout, stderr = process.communicate(timeout=60)
        traces.exit_code = process.returncode
        traces.places |= {"stdout": stdout, "stderr": stderr}
        for path in sorted(self.place.rglob("*")):
            if path.is_file() and path not in self.inputs:
                traces.places[str(path.relative_to(self.place))] = path.read_bytes()
        return traces

    def made(self) -> list[Path]:
        """Return the files that the program made."""
        made = [path for path in self.place.rglob("*") if path.is_file()]
        return [path for path in made if path not in self.inputs and path.parent.name != "log"]

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.place / "home"),
            "TMPDIR": str(self.place / "tmp"),
            "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent / "talkative"), str(ROOT))),
            "PYTHONFAULTHANDLER": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MISO_API_KEY": KEY,
            "MISO_UPLOAD_STATE_DIR": str(self.place / "state"),
            "LEAKS_LOG": str(self.place / "log" / "debug.log"),
            **more,
        }


@contextmanager
def watched(pid: int, command: list[str], traces: Traces) -> Iterator[None]:
    """Watch a process in a thread until the end of the context."""
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(pid, command, traces, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(pid: int, command: list[str], traces: Traces, ended: threading.Event) -> None:
    """Keep what every user of the machine sees of the process, and what its children are given.

    The environment of the process itself holds the key, because the user put it there. Its command
    line cannot be asked for: for a moment, a program that is being started has none.
    """
    own = b"".join(os.fsencode(each) + b"\0" for each in command)
    while not ended.is_set():
        _keep(traces, "cmdline of a process", _read(pid, "cmdline"))
        for child in _children(pid):
            line = _read(child, "cmdline")
            _keep(traces, "cmdline of a process", line)
            # Until a child has become another program, it is a copy of this one in all respects.
            if line not in (own, b""):
                _keep(traces, f"environ of a process {child}", _read(child, "environ"))
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    own = [int(each) for each in text.split()]
    return [*own, *(inner for each in own for inner in _children(each))]


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def _keep(traces: Traces, place: str, held: bytes) -> None:
    if held not in traces.places.get(place, b""):
        traces.places[place] = traces.places.get(place, b"") + held
