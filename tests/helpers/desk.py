"""A user of the loop: a directory with files and a ledger, and a Miso to send to."""

from __future__ import annotations

import gzip
import json
import os
import threading
from array import array
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

from miso_upload.delivery import Backoff, DryRunDeliverer
from miso_upload.delivery.client import UnknownOutcomeError
from miso_upload.ledger import Ledger
from miso_upload.ledger.rejects_file import RejectsFile
from miso_upload.pipeline.interfaces import Input, Stages
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.pipeline.loop import Pipeline
from miso_upload.pipeline.settings import Settings
from miso_upload.pipeline.workers import InProcess
from miso_upload.records import Batch, Reason, Rejection
from miso_upload.report.listener import Listener
from miso_upload.report.summary import Summary
from miso_upload.sources import ReadingOptions, Source
from miso_upload.transform.content_keys.keys import ContentKeys
from miso_upload.transform.scope import WHOLE
from miso_upload.values.hashing import checksum
from miso_upload.values.json import encode, encode_joined
from tests.helpers.doubles import Miso, deliverer, record

LOST = UnknownOutcomeError("the connection was lost")
NO_ID = (Reason("user_id", "is missing"),)
SECRET = b"a secret of the tests"


def preparing(keys=None, change=lambda record: record, id_column="user_id"):
    """Return a `prepare` for which a row is good if it has an id.

    Args:
        keys: Makes the content keys.
        change: What another mapping makes of each record.
        id_column: Where the id is.
    """
    keys = keys or ContentKeys(SECRET)

    def prepare(source):
        def transform(block):
            records, lines, rejections, good = [], [], [], []
            skipped = Counter()
            if block.fault is not None:
                rejections.append(Rejection(block.first_line, (block.fault,), "a piece of it"))
            else:
                for part in source.format.slices(block):
                    rejections += part.rejections
                    skipped.update(part.skipped)
                    for row, line in zip(part.rows, part.lines, strict=True):
                        if isinstance(row, dict) and row.get(id_column):
                            wanted = ("user_id", "timestamp", "revenue")
                            made = {name: row[name] for name in wanted if name in row}
                            records.append(change(made))
                            lines.append(line)
                            good.append(row)
                        else:
                            rejections.append(Rejection(line, NO_ID, row))
            keyed = keys.of(records, good)
            return Batch(
                seq=block.seq,
                start=block.start,
                end=block.end,
                first_line=block.first_line,
                line_count=block.lines,
                checksum=b"" if block.fault is not None else checksum(block.data),
                rows=len(records) + len(rejections) + skipped.total(),
                lines=lines,
                slices=(encode_joined(records),) if records else (),
                counts=(len(records),) if records else (),
                rejections=tuple(sorted(rejections, key=lambda each: each.line)),
                skipped=skipped.total(),
                keys=keyed.keys,
                days=keyed.days,
                contents=keyed.contents,
                lengths=array("I", [len(encode(each)) for each in records]),
            )

        return transform

    return prepare


prepare = preparing()


class Hears(Listener):
    """Keeps what is noted."""

    def __init__(self):
        self.notes = []

    def noted(self, text):
        """Keep it."""
        self.notes.append(text)


class Loses(Miso):
    """Takes the records of some requests and never says so."""

    def __init__(self, *which, **options):
        super().__init__(**options)
        self.which = which
        self.then = self._lose

    def _lose(self, records):
        answer = self._answer(records)
        return LOST if len(self.requests) in self.which else answer


class Crash(BaseException):
    """The process is gone."""


class Moments:
    """Counts the steps of a run, and lets it die at one of them."""

    def __init__(self, last):
        self.left = last
        self.lock = threading.Lock()

    def pass_one(self):
        """Go by one step, or die; the dead do nothing more."""
        with self.lock:
            self.left -= 1
            if self.left <= 0:
                raise Crash


class Mortal:
    """Stands before a part; before and after each call of it the process may die."""

    def __init__(self, part, moments):
        self._part, self._moments = part, moments

    def __getattr__(self, name):
        """Return the part's method with a step before and one after."""
        found = getattr(self._part, name)
        if not callable(found):
            return found

        def call(*args, **options):
            if name in ("close", "take_back"):
                return found(*args, **options) if name == "close" else None
            self._moments.pass_one()
            if name == "add":
                self._write_a_half(*args)
            result = found(*args, **options)
            self._moments.pass_one()
            return result

        return call

    def _write_a_half(self, source, rejections):
        """Die in the middle of writing, if this is the moment."""
        path, before = self._part.path, None
        try:
            before = path.stat().st_size if path.exists() else 0
            self._moments.pass_one()
        except Crash:
            self._part.add(source, rejections)
            os.truncate(path, before + (path.stat().st_size - before) // 2)
            raise


class Desk:
    """Everything that one user has: a directory with a ledger, and a Miso to send to.

    Each run has a ledger, sources and rejects files of its own, as each process has.
    """

    def __init__(self, path, miso=None):
        self.path = path
        self.miso = Miso() if miso is None else miso
        self.notes = []

    @property
    def ledger(self):
        """Return where the ledger is."""
        return self.path / "miso.ledger"

    def write(self, name, rows):
        """Write rows in the format that the name says, and return the input's name."""
        path = self.path / name
        if name.endswith(".csv"):
            text = "user_id\n" + "".join(f'"{each["user_id"]}"\n' for each in rows)
        elif name.endswith(".json"):
            text = json.dumps(list(rows), indent=1)
        else:
            text = "".join(json.dumps(each) + "\n" for each in rows)
        data = text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    def run(self, *names, stop=None, wrap=lambda part: part, rejects="rejects.jsonl", **options):
        """Run as one process does, and return the summary."""
        policy = options.pop("on_unknown", "resend")
        delivers = options.pop("delivers", None)
        reading = ReadingOptions(
            chunk_size=options.pop("rows", 5), max_row_bytes=options.pop("row_bytes", 2**20)
        )
        in_flight = options.pop("concurrency", 0)
        transform, job = options.pop("prepare", prepare), options.pop("job", "")
        scope = options.pop("scope", WHOLE)
        stop = stop or StopSignal()
        mode = "dry-run" if options.get("dry_run") else "upload"
        summary = Summary(mode, "api.test", datetime.now(UTC))
        listener = Hears()
        known = options.pop("known", None)
        with closing(Ledger(None if known else self.ledger)) as ledger:
            file = wrap(
                RejectsFile(self.path / rejects, ledger.rejects_length(self.path / rejects))
            )
            ledger.begin_run("1.0")
            delivers = delivers or deliverer(
                self.miso, stop=stop, on_unknown=policy, backoff=Backoff(draw=lambda: 0.0)
            )
            Pipeline(
                wrap(ledger),
                Stages(InProcess(), wrap(delivers), known, in_flight, scope),
                Settings.of(on_unknown=policy, **options),
                stop=stop,
                listener=listener,
                summary=summary,
            ).run(
                [
                    Input(name, lambda n=name: Source(n, reading), transform, file, lambda _: job)
                    for name in names
                ]
            )
            ledger.end_run(summary.exit_code)
        self.notes = listener.notes
        return summary

    def forecast(self, *names, **options):
        """Run as a dry run does, which looks up what Miso has; return the summary."""
        known = Ledger.to_read(self.ledger) if self.ledger.exists() else None
        try:
            return self.run(
                *names, delivers=DryRunDeliverer(2**20), dry_run=True, known=known, **options
            )
        finally:
            if known is not None:
                known.close()

    def rejected(self, name="rejects.jsonl"):
        """Return the place of each rejection in the rejects file."""
        path = self.path / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [(each["source"], each["line"]) for each in map(json.loads, lines)]

    def held(self):
        """Return how often Miso has each record."""
        return Counter(each["user_id"] for each in self.miso.held)

    def doubted(self):
        """Return the lines of the spans in which records may be at Miso twice."""
        with closing(Ledger(self.ledger)) as ledger:
            spans = ledger._db.rows("SELECT first_line, line_count FROM spans WHERE duplicates > 0")
        return {line for first, count in spans for line in range(first, first + count)}

    def scans(self):
        """Return the last scan of each source."""
        with closing(Ledger(self.ledger)) as ledger:
            return ledger.scans.all()

    def stored(self):
        """Return all that the ledger says of sources, scans, spans and content, but not when."""
        with closing(Ledger(self.ledger)) as ledger:
            return [
                ledger._db.rows("SELECT id, key, scan_id, superseded FROM sources"),
                ledger._db.rows("SELECT id, source_id, name, job_id, complete FROM scans"),
                ledger._db.rows("SELECT scan_id, start, end, state, accepted FROM spans"),
                ledger._db.rows("SELECT scan, day, start, unknown, keys FROM sent_parts"),
            ]


def rows(count, start=1):
    """Return good rows."""
    return [record(number) for number in range(start, start + count)]


def dated(count, start=1):
    """Return good rows of one day."""
    return [{**each, "timestamp": "2024-05-01T10:00:00Z"} for each in rows(count, start)]


def ids(count, start=1):
    """Return the ids of good rows, each once."""
    return Counter(f"u{number}" for number in range(start, start + count))
