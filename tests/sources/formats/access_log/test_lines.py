import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from miso_upload.records import Block
from miso_upload.sources.formats.access_log import AccessLog
from tests.helpers.access_log_lines import ALB, COMBINED, COMMON, ELB, IIS, S3, WHEN
from tests.helpers.reading import CUTS, PIECES, assert_complete, read, texts_of, unpadded

FIELDS = b"#Fields: date time c-ip cs-uri-stem\n"
COLUMNS = b"2023-10-10 20:55:36 192.0.2.1 /a\n"
FRAGMENTS = (
    b"\n", b"\n", b"\n", b"\r\n", b" ", b" ", b"\t", b'"', b'"', b"\\", b'\\"', b"\\x1", b"-",
    b"#", b"#Fields:", FIELDS, b"\n" + FIELDS, b"\n#Fields: c-ip sc-status time date\n",
    COLUMNS, b"\n" + COLUMNS, b"192.0.2.1 200 20:55:36 2023-10-10\n",
    f"{COMMON}\n".encode(), f"{COMBINED}\n".encode(), f"{ALB}\n".encode(),
    COMBINED.encode(), COMBINED[:90].encode(), b'"GET / HTTP/1.1"', WHEN.encode(),
    b"192.0.2.1 - - ", b" 200 12 ", b"\xff", b"\xc3\xa9", b"\x00", b"x" * 20,
)  # fmt: skip
ROW_BYTES = st.sampled_from([40, 100, 2**20])


def read_log(data, pieces=(2**20,), **others):
    return read(b"\n" + data, pieces, **{"format": "log", **others})


def lines_with_something(data):
    return [
        number
        for number, line in enumerate(unpadded(b"\n" + data).split(b"\n"), 1)
        if line.strip(b" \t\r\v\f") and not line.startswith(b"#")
    ]


@settings(deadline=None)
@given(
    data=texts_of(*FRAGMENTS) | st.binary(max_size=200), pieces=PIECES, cuts=CUTS,
    row_bytes=ROW_BYTES,
)  # fmt: skip
@example(b"2023-10-10 20:55:36 192.0.2.1 /a\n" + FIELDS * 2 + COLUMNS * 3, [1], {"rows": 1}, 2**20)
def test_any_log_is_read_the_same_however_it_is_cut(data, pieces, cuts, row_bytes):
    data = FIELDS + data
    whole = read_log(data, row_bytes=row_bytes)

    found = read_log(data, pieces, row_bytes=row_bytes, **cuts)

    assert found.all == whole.all
    assert_complete(b"\n" + data, found, **cuts)


@settings(deadline=None)
@given(data=texts_of(*FRAGMENTS) | st.binary(max_size=200))
def test_every_line_except_blanks_and_comments_is_a_row_or_a_rejection(data):
    found = read_log(FIELDS + data)

    lines = [line for line, _ in found.rows] + [line for line, _ in found.reasons]
    assert sorted(lines) == lines_with_something(FIELDS + data)
    assert all(
        isinstance(value, str) and value not in ("", "-") and not key.startswith("@")
        for row in found.values
        for key, value in row.items()
    )


@settings(deadline=None)
@given(data=texts_of(*FRAGMENTS), cuts=CUTS, choice=st.randoms(), row_bytes=ROW_BYTES)
def test_reading_resumes_at_the_end_of_any_block(data, cuts, choice, row_bytes):
    data = FIELDS + data
    whole = read_log(data, row_bytes=row_bytes, **cuts)
    if not whole.blocks[:-1]:
        return
    block = choice.choice(whole.blocks[:-1])
    line = block.first_line + block.lines

    rest = read_log(data, start=block.end, line=line, row_bytes=row_bytes)

    assert rest.all == whole.from_line(line)


NOTATIONS = (
    '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"', "%U%q", "%{a}i",
    '%{a}i|"%{b}i" %{c}i - %u [%D]', "$msec $request_time$( $uri$is_args$args$)$*",
    "%{%Y-%m-%d %H:%M}t %r %s",
)  # fmt: skip


@settings(deadline=None)
@given(data=texts_of(*FRAGMENTS) | st.binary(max_size=200), notation=st.sampled_from(NOTATIONS))
def test_any_log_format_reads_any_text(data, notation):
    data = unpadded(data)
    rows = AccessLog(2**20, notation)

    parts = list(rows.slices(Block(1, 0, len(data), 2, 0, data)))

    lines = [line for part in parts for line in part.lines]
    lines += [each.line for part in parts for each in part.rejections]
    assert sorted(lines) == lines_with_something(data)


def test_a_line_is_read_the_same_among_any_other_lines():
    bad = COMMON.replace("10/Oct", "31/Feb")
    lines = [COMMON, f"www.example {COMBINED}", S3, ELB, COMBINED, "junk", COMMON[:60], bad, ALB]
    alone = [read(f"{COMMON}\n{line}\n".encode(), format="log").all for line in lines]

    for order in (lines, lines[::-1], [line for line in lines for _ in range(300)]):
        found = read("\n".join([COMMON, *order]).encode(), format="log")
        by_line = {**dict(found.rows), **{line: text for line, text, _ in found.rejections}}
        for at, line in enumerate(order):
            (*_, (_, row)), bad, _ = alone[lines.index(line)]
            assert by_line[at + 2] == (bad[0][1] if bad else row)


def test_an_overlong_line_is_rejected_and_the_next_one_is_read():
    long = COMBINED.replace("Mozilla", "x" * 500)
    found = read(f"{COMMON}\n{long}\n{COMMON}\n".encode(), format="log", row_bytes=300)

    assert [line for line, _ in found.rows] == [1, 3]
    ((line, reason),) = found.reasons
    assert line == 2
    assert "300" in reason
    assert "--max-row-bytes" in reason


@pytest.mark.parametrize(
    "line",
    [
        f'192.0.2.1 - - {WHEN} "' + "GET " * 300_000,
        f'192.0.2.1 - - {WHEN} "' + 'a" ' * 300_000,
        f'192.0.2.1 - - {WHEN} "GET /' + '\\"' * 300_000,
        f'192.0.2.1 - - {WHEN} "GET / HTTP/1.1" 200 1' + ' "a"' * 300_000 + '"',
        "192.0.2.1 - " + "a [" * 300_000,
        "192.0.2.1, " * 100_000,
        "- " * 500_000,
        '"' * 1_000_000,
        "a:" * 500_000,
        '"a ' * 300_000,
    ],
)
def test_every_line_takes_linear_time(line):
    """Patterns that backtrack would take hours."""
    found = read(f"{FIELDS.decode()}{line}\n".encode(), format="log", row_bytes=2**23)

    assert len(found.rows) + len(found.rejections) == 1


def test_reading_resumes_in_a_log_whose_columns_changed():
    data = IIS.encode() + FIELDS + COLUMNS * 50
    whole = read(data, rows=7)

    for block in whole.blocks[:-1]:
        line = block.first_line + block.lines
        assert read(data, start=block.end, line=line).all == whole.from_line(line)
