"""Timestamps in any format, and with any strptime format."""

from __future__ import annotations

from fuzz.properties import must, must_be_harmless, only_our_errors, validator
from miso_upload.values.json import JSONDecodeError, decode
from miso_upload.values.rfc3339 import parse_rfc3339
from miso_upload.values.timestamps import TimestampReader

SPECIMENS = (
    b"2025-03-01T09:30:00.123Z",
    b"2025-03-01 09:30:00,5 UTC",
    b"2025-W09-6T24:00",
    b"20250301T0930+0530",
    b"2025060",
    b"1740821400.5",
    b"-9999999999",
    b"2016-12-31T23:59:60Z",
    b"0001-01-01",
    b"9999-12-31T23:59:59-01:00",
    b"01.03.2025 09:30\n%d.%m.%Y %H:%M",
    b"1 Mar 25 9 PM +0100\n%d %b %y %I %p %z",
    b"20250301093000",
    b"2025-03-30T02:30:00",
)
TOKENS = (
    b"%Y", b"%m", b"%d", b"%H", b"%M", b"%S", b"%f", b"%z", b"%Z", b"%b", b"%p", b"%I", b"%j", b"%y",
    b"%%", b"%U", b"%G-%V-%u", b"%c", b"2025", b"-03-01", b"T09:30:00", b"+05:30", b"Z", b" UTC",
    b"W09", b"24:00", b":60", b".123456789", b"1e999", b"99999999999999999999", b"true", b"\xd9\xa3",
)  # fmt: skip
_RECORD = {"type": "like", "user_id": "u"}


def one_input(data: bytes) -> None:
    """Read the first line as a timestamp, with the format in the second line, if any."""
    text, _, form = data.decode(errors="replace").partition("\n")
    values = [text]
    try:
        values.append(decode(text))
    except JSONDecodeError:
        pass
    with only_our_errors():
        readers = [TimestampReader(), TimestampReader("Europe/Berlin")]
        if form:
            readers.append(TimestampReader("America/Sao_Paulo", (form,)))
        for reader in readers:
            for value in values:
                _check(reader, value)


def _check(reader: TimestampReader, value: object) -> None:
    reading = reader.read(value)
    must((reading.text is None) != (reading.problem is None), "a text or a problem")
    if reading.problem is not None:
        must_be_harmless(reading.problem, 200)
        return
    must(validator().accepts([{**_RECORD, "timestamp": reading.text}]), "what is read is accepted")
    must(len(reading.text or "") <= 120, "a timestamp is short")
    again = TimestampReader().read(reading.text)
    must(again.text == reading.text, "what was read is read the same")
    parse_rfc3339(reading.text or "")
