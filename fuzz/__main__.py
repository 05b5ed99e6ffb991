"""Runs the targets, one after the other, each in its own process.

    python -m fuzz                        1,000 inputs for each target, always the same
    python -m fuzz --seconds 600 csv      one target, for ten minutes
    python -m fuzz --only build/x csv     only that input, to debug it

A long run saves useful inputs in `build/fuzz/TARGET`, and the next long run starts with them. An
input that breaks a promise is saved there too, as `crash-...`.

Fuzzing needs atheris, which is available for Linux and Python up to 3.13; elsewhere, only the
specimens of each target run.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import pkgutil
import re
import sys
import tempfile
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz import targets

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import ModuleType

try:
    import atheris
except ImportError:
    atheris = None

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "fuzz"
LONGEST = 4_096
"""The longest input in bytes; the tests have longer ones."""
_SECONDS_PER_INPUT = 10
_MEGABYTES = 2_048
_FIGURES = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\w+)")
_DONE = re.compile(r"Done (\d+) ")


def names() -> list[str]:
    """Return the names of all targets."""
    return [module.name for module in pkgutil.iter_modules(targets.__path__)]


def load(name: str) -> ModuleType:
    """Return a target."""
    return importlib.import_module(f"fuzz.targets.{name}")


def main() -> int:
    """Run the targets of the command line; return how many of them broke a promise."""
    options = _options()
    # atheris instruments only modules that are imported here.
    with _instrumented():
        loaded = {name: load(name) for name in options.targets or names()}
    failed = 0
    for name, target in loaded.items():
        started = time.monotonic()
        if options.only is not None:
            target.one_input(options.only.read_bytes())
            continue
        problem, figures = _specimens(target), f"{len(target.SPECIMENS)} specimens"
        if atheris is not None and not problem:
            problem, figures = _fuzzed(name, target, options)
        failed += bool(problem)
        took = f"{time.monotonic() - started:.1f} s"
        print(f"{name:16} {'FAILED' if problem else 'ok':6} {figures}, {took}", flush=True)
        if problem:
            print(problem)
    if atheris is None:
        print("atheris is not installed, so only the specimens were run and nothing was fuzzed")
    return failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names()))
    parser.add_argument("--runs", type=int, default=1_000, help="inputs for each target")
    parser.add_argument("--seconds", type=int, help="duration of a run with a random seed")
    parser.add_argument("--only", type=Path, metavar="FILE", help="run only this input")
    return parser.parse_args()


def _instrumented() -> AbstractContextManager[object]:
    if atheris is None:
        return nullcontext()
    return atheris.instrument_imports(include=["miso_upload"])


def _specimens(target: ModuleType) -> str:
    """Return the traceback of the first specimen that breaks a promise, if any."""
    for specimen in target.SPECIMENS:
        try:
            target.one_input(specimen)
        except Exception:
            return f"{specimen!r}\n{traceback.format_exc()}"
    return ""


def _fuzzed(name: str, target: ModuleType, options: argparse.Namespace) -> tuple[str, str]:
    """Fuzz a target; return the problem, if any, and the figures of the run."""
    # A short run starts with the specimens only, so that it is reproducible.
    with tempfile.TemporaryDirectory() as scratch:
        kept = KEPT / name
        kept.mkdir(parents=True, exist_ok=True)
        folder = kept if options.seconds else Path(scratch)
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, specimen in enumerate(target.SPECIMENS):
            (corpus / f"specimen-{number:02}").write_bytes(specimen)
        words = [_word(token) for token in target.TOKENS]
        (folder / "tokens").write_text("\n".join(words) + "\n", encoding="ascii")
        child = os.fork()
        if not child:
            try:
                _fuzz(target, folder, kept, options)
            finally:
                os._exit(1)  # the child must not continue in the code of the parent
        _, status = os.waitpid(child, 0)
        text = (folder / "log").read_text(encoding="utf-8", errors="replace")
    return "" if status == 0 else text[-4_000:], _figures(text)


def _fuzz(target: ModuleType, folder: Path, kept: Path, options: argparse.Namespace) -> None:
    """Fuzz in this process, which ends with it."""
    output = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    most = [f"-max_total_time={options.seconds}"] if options.seconds else ["-seed=1"]
    if not options.seconds:
        most.append(f"-runs={options.runs}")
    arguments = [
        *most,
        f"-max_len={LONGEST}",
        f"-timeout={_SECONDS_PER_INPUT}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-artifact_prefix={kept}/",
        f"-dict={folder / 'tokens'}",
        "-print_final_stats=1",
        str(folder / "corpus"),
    ]

    def one_input(data: bytes) -> None:
        try:
            target.one_input(data)
        except BaseException:
            (kept / f"crash-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            raise

    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()
    os._exit(0)


def _word(token: bytes) -> str:
    """Return a piece of input as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02X}" for byte in token) + '"'


def _figures(text: str) -> str:
    runs = re.findall(r"#(\d+)\s", text)
    found = _FIGURES.findall(text)
    covered, features, inputs, size = found[-1] if found else ("0", "0", "0", "0b")
    return (
        f"{int(runs[-1]) if runs else 0:,} inputs, {int(covered):,} lines and "
        f"{int(features):,} features, corpus of {int(inputs):,} ({size})"
    )


if __name__ == "__main__":
    sys.exit(bool(main()))
