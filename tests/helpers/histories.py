"""Random histories of files and runs, beside a plain model of what Miso must have in the end.

The real `upload` works on real files and a real ledger, in the world of `worlds`. A history is a
list of steps, each with a seed of its own, so that a step can be left out and the others still do
what they did: `shortest` finds the steps that a failure needs.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from types import SimpleNamespace

from miso_upload import Settings, upload
from miso_upload.errors import (
    ChangedJobError,
    DeliveryError,
    InterruptedRunError,
    UnprovenSourceError,
)
from miso_upload.ledger import Ledger
from miso_upload.ledger.content_keys.layout import Limits
from miso_upload.ledger.line_ranges import to_ranges
from miso_upload.pipeline.forget import forget, found_to_forget
from miso_upload.sources import ReadingOptions
from tests.helpers.old_ledgers import write_old_ledger
from tests.helpers.worlds import (
    MARKS,
    NUMBER,
    SECOND,
    SERVER,
    Killed,
    Stop,
    World,
    counts_of,
    counts_of_text,
    draw_line,
    line_of,
    no_faults,
    stand_ins,
    standard_input,
)


class History:
    """Takes steps, and judges after each run.

    Attributes:
        most: How often a record stands in one input at most, by series, record and mark.
        asked: Copies beyond that, which the user asked for.
        excused: Copies that the user said are at Miso, or gave up.
    """

    def __init__(self, folder, seed):
        self.draw = Random(seed)
        self.world = World(folder)
        self.most = Counter()
        self.asked = Counter()
        self.excused = Counter()
        self.maybe = Counter()
        self.accepted_total = 0
        self.mark = ""
        self.series = ""
        self.vague = False
        """Counts of sources mix several mappings, or the user's word."""
        self.log = []
        self.numbers = self.draw.choice((3, 6, 12))
        self.faulty = self.draw.random() < 0.7
        self.with_kills = self.draw.random() < 0.6
        self.with_words = self.draw.random() < 0.4
        self.with_marks = self.draw.random() < 0.3
        if self.draw.random() < 0.5:
            self.world.limits = Limits(
                parts=2, sparse=2, page_bits=1, small=2, loaded=4, cached=3, fold=12, fold_early=4,
                chunk=5,
            )  # fmt: skip
        self.world.max_shared_keys = self.draw.choice((0, 2, 4_096))
        self.forecasts = True
        self.forgotten = False
        self.unproven = False
        """The run has stopped since nothing proves what version 0.1 has sent."""
        self.world.grain = self.draw.choice((1, 10**7, 2 * SECOND))

    # -- files

    def files(self):
        """Return the files that may be inputs."""
        return sorted(path for path in self.world.folder.iterdir() if ".rejects" not in path.name)

    def _plain(self):
        return [path for path in self.files() if path.suffix != ".gz"]

    def _write(self, path, data, draw, *, replaces=False):
        """Write a file in place, or replace it by a new one; draw its time."""
        before = path.stat() if path.exists() else None
        self.world.clock += int(draw.choice((0, 0.3, 1, 3, 10)) * SECOND)
        if replaces:
            new = path.with_name("new")
            new.write_bytes(data)
            new.rename(path)
        else:
            path.write_bytes(data)
        now = self.world.coarse(self.world.clock)
        times = [now, now, now - draw.randrange(1, 100) * SECOND]
        if before:
            times.append(before.st_mtime_ns)
        mtime = draw.choice(times)
        os.utime(path, ns=(mtime, mtime))
        self.world.touch(path)

    def _lines(self, draw, least=0):
        return [draw_line(draw, self.numbers) for _ in range(draw.randrange(least, 9))]

    @staticmethod
    def _text(draw, lines):
        data = b"".join(line + b"\n" for line in lines)
        return data[:-1] if draw.random() < 0.1 else data

    def step_new(self, draw):
        """Write a file, perhaps of pieces of others; its name may be taken."""
        path = self.world.folder / draw.choice(("a.jsonl", "b.jsonl", "c.jsonl"))
        lines = self._lines(draw, 1)
        if self.files() and draw.random() < 0.6:
            other = self._read(draw.choice(self.files())).split(b"\n")[:-1]
            cut = draw.randrange(len(other) + 1)
            lines = draw.choice(
                (
                    other[:cut] + lines, lines + other[cut:], other[cut:] + lines, other,
                    other[:cut], other + other, other[:cut] + lines + other[cut:],
                )
            )  # fmt: skip
        self._write(path, self._text(draw, lines), draw, replaces=draw.random() < 0.5)
        return path.name

    def _read(self, path):
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data

    def step_append(self, draw):
        """Let a file grow."""
        if not (files := self._plain()):
            return None
        path = draw.choice(files)
        data = path.read_bytes()
        data += b"\n" if data and not data.endswith(b"\n") else b""
        self._write(path, data + self._text(draw, self._lines(draw, 1)), draw)
        return path.name

    def step_edit(self, draw):
        """Change, add, remove or move lines of a file, or write them otherwise."""
        if not (files := self._plain()):
            return None
        path = draw.choice(files)
        lines = [line for line in path.read_bytes().split(b"\n") if line]
        if not lines:
            return None
        at = draw.randrange(len(lines))
        match draw.randrange(7):
            case 0:
                lines[at] = draw_line(draw, self.numbers)
            case 1:
                lines.insert(at, draw_line(draw, self.numbers))
            case 2:
                del lines[at]
            case 3:
                lines = lines[at:] + self._lines(draw)
            case 4:
                lines = lines[:at]
            case 5:
                draw.shuffle(lines)
            case 6:
                spelling = draw.randrange(3)
                lines = [self._again(line, spelling) for line in lines]
        self._write(path, self._text(draw, lines), draw, replaces=draw.random() < 0.3)
        return path.name

    def step_sneak(self, draw):
        """Put another record of the same size into a file that may just have been read."""
        if not (files := self._plain()):
            return None
        path = draw.choice(files)
        lines = path.read_bytes().split(b"\n")
        at = draw.randrange(len(lines))
        line = line_of(draw.randrange(self.numbers), draw.randrange(3))
        if len(line) != len(lines[at]):
            return None
        lines[at] = line
        self.world.clock += int(draw.choice((0, 0, 0.1)) * SECOND)
        path.write_bytes(b"\n".join(lines))
        mtime = self.world.coarse(self.world.clock)
        os.utime(path, ns=(mtime, mtime))
        self.world.touch(path)
        return path.name

    def step_trouble(self, draw):
        """Run with a server that is busy, and again with a kill about the first requests."""
        files = self._plain()[:2]
        busy = SimpleNamespace(rates={"busy": 0.4, "stop": 0.1}, kill_at=0)
        said = self.run(files, {}, busy, draw)
        kill = SimpleNamespace(rates={}, kill_at=draw.randrange(6, 24))
        return f"{said}\n{self.run(files, {}, kill, draw)}"

    @staticmethod
    def _again(line, spelling):
        found = NUMBER.search(line)
        return line_of(int(found[2]), spelling, user=found[1].decode()) if found else line

    def step_rotate(self, draw):
        """Rotate as logrotate does: rename or copy, perhaps compress."""
        if not (files := [path for path in self._plain() if path.name.count(".") == 1]):
            return None
        path = draw.choice(files)
        rotated = path.with_name(path.name + ".1")
        if rotated.exists():
            older = path.with_name(path.name + ".2")
            rotated.rename(older)
            self._moved(older)
            if draw.random() < 0.4:
                self._compress(older, draw)
        if draw.random() < 0.3:  # copytruncate
            shutil.copyfile(path, rotated)
            self.world.touch(rotated)
            self._write(path, self._text(draw, self._lines(draw)), draw)
        else:
            path.rename(rotated)
            self._moved(rotated)
            if draw.random() < 0.8:
                self._write(path, self._text(draw, self._lines(draw)), draw)
        if draw.random() < 0.3:
            self._compress(rotated, draw)
        return path.name

    def _moved(self, path):
        self.world.touch(path)

    def _compress(self, path, draw):
        compressed = path.with_name(path.name + ".gz")
        self._write(compressed, gzip.compress(path.read_bytes(), mtime=0), draw)
        path.unlink()

    def step_copy(self, draw):
        """Copy, link, remove or rename a file, or let two change places."""
        if not (files := self.files()):
            return None
        path = draw.choice(files)
        other = draw.choice(files)
        kind = draw.randrange(5)
        new = (
            self.world.folder / f"{draw.choice('def')}.jsonl{path.suffix * (path.suffix == '.gz')}"
        )
        match kind:
            case 0:
                self._write(new, path.read_bytes(), draw, replaces=True)
            case 1 if not new.exists():
                new.hardlink_to(path)
                self._moved(path)
            case 2 if draw.random() < 0.5:
                path.unlink()
            case 3:
                path.rename(new)
                self._moved(new)
            case 4 if path.suffix == other.suffix and path != other:
                between = path.with_name("between")
                path.rename(between)
                other.rename(path)
                between.rename(other)
                self._moved(path)
                self._moved(other)
        return f"{kind} {path.name} {new.name} {other.name}"

    def step_wait(self, draw):
        """Let time go by."""
        self.world.clock += draw.choice((1, 5, 100)) * SECOND

    def step_forget(self, draw):
        """Forget what was sent from a file."""
        if not (self.with_words and self.files() and self.world.state.exists()):
            return None
        path = draw.choice(self.files())
        with suppress(Exception), stand_ins(self.world):
            self.world.faults, self.world.is_dead = no_faults(), False
            forget(found_to_forget(self.world.state, [str(path)], ReadingOptions(), None))
            self.asked.update(self._most_of_all())
            self.forgotten = True
        return path.name

    def _most_of_all(self):
        most = Counter()
        for (_, number, mark), count in self.most.items():
            most[number, mark] += count
        return most

    # -- runs

    def step_run(self, draw):
        """Run the upload over some of the files, with options, faults and a kill."""
        files = [path for path in self.files() if draw.random() < 0.75]
        draw.shuffle(files)
        options = self._draw_options(draw)
        faults = self._draw_faults(draw)
        text = None
        if draw.random() < 0.1:
            text = self._text(draw, self._lines(draw, 1))
        return self.run(files, options, faults, draw, text, grows=True)

    def _draw_options(self, draw):
        options = {}
        if self.with_words and draw.random() < 0.15:
            options["restart"] = True
        if self.with_words and draw.random() < 0.08:
            options["already_sent"] = "send"
        if self.with_words and draw.random() < 0.05:
            options["remember"] = True
        if self.with_marks and draw.random() < 0.3:
            self.mark = draw.choice(tuple(MARKS))
            options["changed_mapping"] = draw.choice(("stop", "send", "send", "continue"))
        if self.with_words and draw.random() < 0.1:
            self.series = draw.choice(("", "s"))
            options["changed_mapping"] = "send"
        options["on_unknown"] = draw.choice(("resend", "resend", "resend", "hold"))
        if draw.random() < 0.2:
            options["growing"] = True
            options["settle_after"] = draw.choice((0.0, 1e9))
        if self.with_words and draw.random() < 0.2:
            options["on_unknown"] = "skip"
        return options

    def _draw_faults(self, draw):
        faults = no_faults()
        if self.faulty and draw.random() < 0.6:
            names = (
                "lost",
                "lost after all",
                "500",
                "500 after all",
                "busy",
                "stop",
                "refused key",
            )
            faults.rates = {name: draw.choice((0, 0, 0.1, 0.3)) for name in names[:-2]}
            faults.rates |= {name: draw.choice((0, 0, 0.05, 0.2)) for name in names[-2:]}
        if self.with_kills and draw.random() < 0.6:
            faults.kill_at = draw.randrange(1, draw.choice((12, 30, 60)))
        return faults

    def run(self, files, options, faults, draw, text=None, *, grows=False):
        """Run the upload, and judge what it leaves."""
        if not files and text is None:
            return None
        world = self.world
        world.clock += int(draw.choice((0, 0.3, 1, 5)) * SECOND)
        world.faults, world.draw, world.ticks = faults, Random(draw.random()), 0
        world.is_dead, world.unsettled, world.lost = False, [], False
        world.stop = Stop()
        inputs = [str(path) for path in files] + (["-"] if text is not None else [])
        settings = Settings.of(
            inputs=tuple(inputs), api_key="k" * 20, server=SERVER, state_dir=world.state,
            chunk_size=draw.choice((1, 2, 3, 5, 100)), concurrency=draw.choice((1, 2, 3)),
            workers=0, max_reject_rate=1.0, format="jsonl", series=self.series, max_attempts=3,
            retry_for=1e9, set=(f"miso_id={MARKS[self.mark]}",) if self.mark else (), **options,
        )  # fmt: skip
        least = self._expect(files, text, growing=settings.reading.growing)
        before = self._expect(files, text)
        self._allow(before, options)
        world.during = self._growth(draw, files) if grows else lambda: None
        forecast = (
            self._forecast(settings, text) if draw.random() < 0.2 and self.forecasts else None
        )
        summary = None
        stored_before = world.stored.copy()
        said = f"{[path.name for path in files]} {options} {vars(faults)} mark={self.mark!r}"
        said += f" chunk={settings.reading.chunk_size} {text} series={self.series!r}"
        self.log.append(("begin", said))
        with stand_ins(world), standard_input(text):
            try:
                summary = upload(settings, stop=world.stop)
            except Killed:
                said += " KILLED"
        after = self._expect(files, text)
        self._allow(after, options, before)
        for _, stored in world.unsettled:
            world.in_the_dark.update(stored)
        if world.lost or summary is None:
            for each in before.values():
                self.maybe.update({(number, self.mark): n for number, n in each.valid.items()})
        if options.get("on_unknown") == "skip":
            self.excused.update(self.maybe)
            self.vague = True
        self._check_excess()
        if summary is not None:
            said += f" -> {summary.totals.as_sentence()}; {summary.stopped_by}"
            self._check(summary, least, after, options, faults)
            if (
                forecast is not None
                and not (faults.rates or summary.stopped_by)
                and before == after
            ):
                self._check_forecast(forecast, stored_before, before)
        return said

    def _expect(self, files, text, *, growing=False):
        expected = {str(path): counts_of(path, growing=growing) for path in files}
        if text is not None:
            expected["-"] = counts_of_text(text[: text.rfind(b"\n") + 1] if growing else text)
        return expected

    def _allow(self, expected, options, before=None):
        """Count what may be at Miso when these inputs are read, beside what was in them before."""
        for each in expected.values():
            for number, count in each.valid.items():
                key = self.series, number, self.mark
                self.most[key] = max(self.most[key], count)
        for name, each in expected.items():
            new = each.valid - before[name].valid if before else each.valid
            mine = Counter({(number, self.mark): n for number, n in new.items()})
            if options.get("already_sent") == "send":
                self.asked.update(mine)
            if options.get("remember") or options.get("changed_mapping") == "continue":
                self.excused.update(mine)
                self.vague = True
        if options.get("restart") and not before:
            self.forgotten = True
            self.asked.update(self._most_of_all())

    def _growth(self, draw, files):
        """Return what happens while a request is in flight: now and then a file grows."""
        plain = [path for path in files if path.suffix != ".gz"]
        rate = draw.choice((0, 0, 0.1)) if plain else 0
        own = Random(draw.random())

        def grow():
            if own.random() < rate:
                path = own.choice(plain)
                data = path.read_bytes()
                if data.endswith(b"\n"):
                    with path.open("ab") as file:
                        file.write(draw_line(own, self.numbers) + b"\n")
                    mtime = self.world.coarse(self.world.clock)
                    os.utime(path, ns=(mtime, mtime))
                    self.world.touch(path)

        return grow

    def _forecast(self, settings, text):
        with stand_ins(self.world), standard_input(text):
            faults, self.world.faults = self.world.faults, no_faults()
            before = self.world.stored.copy()
            summary = upload(settings.but(dry_run=True, restart=False, remember=False))
            assert self.world.stored == before, "a dry run sent something"
            self.world.faults, self.world.ticks = faults, 0
        if (
            settings.resume.restart
            or settings.resume.remember
            or settings.delivery.on_unknown != "resend"
        ):
            return None
        if settings.resume.already_sent == "send":
            return None  # it does not know what position spares
        return summary

    def _check_forecast(self, forecast, stored_before, expected):
        # Of a source whose records others had, and which is forgotten, it does not know that the
        # others are not read again.
        if any(each.rejected for each in expected.values()) or self.vague or self.forgotten:
            return
        sent = (self.world.stored - stored_before).total()
        said = [(each.name, each.totals) for each in forecast.sources]
        assert forecast.totals.pending == sent, f"the dry run said {said}, {sent} were sent"

    def _check_rejections(self):
        with closing(Ledger(self._ledger())) as ledger:
            for scan in ledger.scans.all():
                lines = [rejection.line for rejection in ledger.rejections(scan)]
                assert len(set(lines)) == len(lines) == ledger.totals(scan).rejected, scan.name

    def _check_excess(self):
        """Nothing is at Miso more often than one input has it, unless that was counted."""
        most = self._most_of_all()
        for key, count in self.world.stored.items():
            dark = self.world.in_the_dark[key]
            assert count <= most[key] + dark + self.asked[key], (
                f"{key} is there {count} times: {most[key]} in one input, {dark} in the dark, "
                f"{self.asked[key]} asked for"
            )

    def _check_counts(self):
        most = self._most_of_all()
        for (number, mark), count in self.world.stored.items():
            key = number, mark
            if count > most[key] + self.asked[key]:
                counted = self.world.counted[f"u{number}", mark]
                assert counted, f"{key} is there {count} times, {most[key]} in one input, uncounted"

    def _check(self, summary, expected, after, options, faults):
        allowed = (InterruptedRunError, DeliveryError) if faults.rates else ()
        if options.get("changed_mapping") == "stop" or self.with_marks or self.with_words:
            allowed = (*allowed, ChangedJobError)
        if isinstance(summary.stopped_by, UnprovenSourceError):
            self.unproven = True
            return
        assert summary.stopped_by is None or isinstance(summary.stopped_by, allowed), (
            f"{type(summary.stopped_by)} {summary.stopped_by}"
        )
        assert not summary.problems, summary.problems
        assert summary.balanced
        assert summary.accepted_at_target >= self.accepted_total
        self.accepted_total = summary.accepted_at_target
        for source in summary.sources:
            totals = source.totals
            assert min(getattr(totals, name) for name in totals.names()) >= 0, totals
            if summary.stopped_by is None and totals.rows:
                self._check_source(
                    source.name, totals, expected.get(source.name), after.get(source.name)
                )

    def _check_source(self, name, totals, expected, after):
        """Whatever was read to its end is accounted for, and at Miso."""
        if expected is None or self.vague:
            return
        assert expected.rows <= totals.rows <= after.rows, f"{name}: {totals}, expected {expected}"
        if totals.unknown or totals.pending:
            return
        assert expected.rejected <= totals.rejected <= after.rejected, f"{name}: {totals}"
        for number, count in expected.valid.items():
            key = number, self.mark
            there = self.world.stored[key] + self.excused[key]
            assert there >= count, f"{name}: {key} is there {there} times, and {count} in the input"

    # -- what version 0.1 left

    def begin_with_version_0_1(self):
        """Leave a file, and a ledger of version 0.1 that has sent it in part.

        Of several with the same records, it has sent all copies, and nothing tells until all of
        them were read again.
        """
        draw = self.draw
        words, marks = self.with_words, self.with_marks
        self.with_words = self.with_marks = False
        self.forecasts = False  # it knows nothing of records without keys
        self.step_new(draw)
        self.run(self.files(), {}, no_faults(), draw)
        self._downgrade(draw)
        # Rotated twice, what was read might be gone, and with it what could prove it.
        steps = (self.step_append, self.step_rotate, self._run_all, self.step_wait, self._run_all)
        for step in draw.sample(steps, draw.randrange(5)):
            self.log.append((step.__name__, step(draw)))
        self.log.append(("fill in", self.run(self.files(), {}, no_faults(), draw)))
        if self.unproven:
            return
        with closing(Ledger(self._ledger())) as ledger:
            assert not any(scan.keyless for scan in ledger.scans.all())
        self.with_words, self.with_marks, self.forecasts = words, marks, True

    def _run_all(self, draw):
        faults = SimpleNamespace(rates={"500 after all": 0.1, "stop": 0.2}, kill_at=0)
        if draw.random() < 0.5:
            faults.kill_at = draw.randrange(1, 30)
        return self.run(self.files(), {}, faults, draw)

    def _ledger(self):
        (path,) = self.world.state.glob("*.ledger")
        return path

    def _downgrade(self, draw):
        path = self._ledger()
        with closing(sqlite3.connect(path)) as db:
            about = dict(db.execute("SELECT name, value FROM about"))
            ((job,),) = db.execute("SELECT text FROM jobs")
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()
        self.world.stored.clear()
        self.accepted_total = 0
        sources = [
            (str(each), each.read_bytes(), self._old_spans(draw, each.read_bytes()))
            for each in self.files()
            if draw.random() < 0.9
        ]
        self.log.append(("version 0.1", [(source[0], source[2]) for source in sources]))
        write_old_ledger(path, sources, recipe=job, about=about)

    def _old_spans(self, draw, text):
        """Draw how far version 0.1 has come with a file, and how that went."""
        lines = text.splitlines()
        spans, first, size = [], 0, draw.choice((1, 3, 100))
        until = draw.choice((len(lines), draw.randrange(len(lines) + 1)))
        while first < until:
            chunk = lines[first : first + size]
            there = [line for line in chunk if (found := NUMBER.search(line)) and found[1] == b"u"]
            bad = [first + 1 + at for at, line in enumerate(chunk) if line not in there]
            good = [first + 1 + at for at, line in enumerate(chunk) if line in there]
            changes = {"rejected": len(bad), "accepted": len(there), "rejected_lines": bad}
            sent = Counter((int(NUMBER.search(line)[2]), "") for line in there)
            match draw.randrange(6):
                case 0:  # killed, and Miso has it
                    changes = {"state": "unknown", "accepted": 0, "unknown": len(chunk)}
                    self.world.in_the_dark.update(sent)
                case 1:  # stopped
                    sent.clear()
                    waiting = to_ranges(good)
                    changes |= {"accepted": 0, "pending": len(good), "pending_lines": waiting}
                    changes["state"] = "pending" if good else "settled"
            self.world.stored.update(sent)
            spans.append((len(chunk), changes))
            first += size
        return spans

    def finish(self):
        """Run until nothing is left to do, and look whether all is there."""
        draw = self.draw
        if not self.files():
            return
        for _ in range(2):
            before = self.world.stored.copy()
            said = self.run(self.files(), {"changed_mapping": "send"}, no_faults(), draw)
            self.log.append(("last run", said))
        assert self.world.stored == before, "something was sent though nothing had changed"
        self._check_counts()
        self._check_rejections()
        for path in self.files():
            for number, count in counts_of(path).valid.items():
                key = number, self.mark
                there = self.world.stored[key] + self.excused[key]
                assert there >= count, f"{path}: {key} is there {there} times, not {count}"


STEPS = (
    "new",
    "append",
    "append",
    "edit",
    "rotate",
    "copy",
    "wait",
    "forget",
    *["run"] * 6,
    "sneak",
    "trouble",
)


def steps_of(seed, most=16):
    """Return the steps of a history: what is done, and a seed for how."""
    draw = Random(seed)
    steps = [(draw.choice(STEPS), draw.getrandbits(32)) for _ in range(draw.randrange(3, most))]
    return [("new", draw.getrandbits(32)), *steps]


def play(folder, seed, steps, *, old=False):
    """Take the steps; return the history.

    Raises:
        AssertionError: Something is not as it should be; its notes say what was done.
    """
    history = History(folder, seed)
    try:
        if old:
            history.begin_with_version_0_1()
            if history.unproven:
                return history
        for name, step_seed in steps:
            said = getattr(history, f"step_{name}")(Random(step_seed))
            history.log.append((name, said))
        history.finish()
    except Exception as error:
        for each in history.log:
            error.add_note(f"{each[0]}: {each[1]}")
        error.add_note(f"seed {seed}, steps {steps}")
        raise
    return history


def shortest(base, seed, steps, *, old=False):
    """Return as few of the steps as still fail."""
    number = 0

    def fails(some):
        nonlocal number
        number += 1
        folder = Path(base) / f"shrink-{number}"
        try:
            play(folder, seed, some, old=old)
        except Exception:  # noqa: BLE001 -- whatever it was
            return True
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return False

    progress = True
    while progress:
        progress = False
        for at in reversed(range(len(steps))):
            fewer = steps[:at] + steps[at + 1 :]
            if fails(fewer):
                steps, progress = fewer, True
    return steps
