"""Batches without a transform, and servers without a network."""

import time
from threading import Event

from miso_upload.delivery import Backoff, Deliverer, DeliveryOptions, Throttle
from miso_upload.delivery.answers import Answer
from miso_upload.records import Batch
from miso_upload.transform.content_keys.keys import ContentKeys
from miso_upload.values.json import decode, encode_joined

KEYS = ContentKeys(b"a secret of the tests")
OK = Answer(200, {"message": "success"})


def record(number, **more):
    return {"type": "like", "user_id": f"u{number}", **more}


def batch_of(records, *, lines=None, slice_rows=4, rejections=(), start=0, seq=1):
    """Return what a transform would make of rows of which these became records."""
    lines = range(1, len(records) + 1) if lines is None else lines
    parts = [records[place : place + slice_rows] for place in range(0, len(records), slice_rows)]
    rows = len(records) + len(rejections)
    keyed = KEYS.of(records)
    return Batch(
        seq=seq,
        start=start,
        end=start + 10 * rows,
        first_line=1,
        line_count=rows,
        checksum=b"16 checked bytes",
        rows=rows,
        lines=lines,
        slices=tuple(map(encode_joined, parts)),
        counts=tuple(map(len, parts)),
        rejections=rejections,
        keys=keyed.keys,
        days=keyed.days,
    )


def batch(count, **options):
    return batch_of([record(number) for number in range(1, count + 1)], **options)


class ScriptedClient:
    """Answers each request as scripted, then as `then` says; keeps the records of each.

    A step is an answer, an error to raise, or a function of the records that returns an answer.
    """

    host = "api.test"

    def __init__(self, *script, then=OK):
        self.script = list(script)
        self.then = then
        self.requests = []
        self.sizes = []

    def post(self, body):
        """Keep the records, and answer with the next step of the script."""
        records = decode(body)["data"]
        self.requests.append(records)
        self.sizes.append(len(body))
        step = self.script.pop(0) if self.script else self.then
        answer = step(records) if callable(step) else step
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Miso(ScriptedClient):
    """Takes all records of a request or none, as Miso does; `bad` says which it does not like.

    Attributes:
        held: What it has taken, in order.
    """

    def __init__(self, bad=lambda record: False, *, names="all", max_bytes=None):
        super().__init__(then=self._answer)
        self.bad = bad
        self.names = names
        self.max_bytes = max_bytes
        self.held = []

    def _answer(self, records):
        if self.max_bytes is not None and self.sizes[-1] > self.max_bytes:
            return Answer(413)
        lines = [
            f"data.{place}.user_id is invalid. It is bad."
            for place, each in enumerate(records)
            if self.bad(each)
        ]
        if not lines:
            self.held += records
            return OK
        body = {"errors": True, "message": "None of the records were inserted."}
        if self.names == "nothing":
            return Answer(422, {**body, "data": {"errors": [{"msg": "bad records"}]}})
        return Answer(422, {**body, "data": lines[:1] if self.names == "first" else lines})


class NoWait(Event):
    """A stop signal that no wait of a test has to wait for; keeps what was asked."""

    def __init__(self):
        super().__init__()
        self.waits = []
        self.now = 0.0

    def wait(self, timeout=None):
        """Note the wait, put the clock forward and return at once."""
        if timeout:
            self.waits.append(timeout)
            self.now += timeout
        return self.is_set()


def deliverer(posts, *, stop=None, listener=None, pace=None, backoff=None, **options):
    bounds = {
        name: options.pop(name) for name in ("most_unknown", "most_refusals") if name in options
    }
    stop = stop or NoWait()
    made = Deliverer(
        posts,
        DeliveryOptions.of(**options),
        stop,
        listener=listener,
        backoff=backoff or Backoff(draw=lambda: 0.5),
        throttle=Throttle(4, clock=lambda: getattr(stop, "now", time.monotonic())),
    )
    for name, value in bounds.items():
        setattr(made, name, value)
    made.pace = pace or made.pace
    return made


def lines_of(rejections):
    return [rejection.line for rejection in rejections]
