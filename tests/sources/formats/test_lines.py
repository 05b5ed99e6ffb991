import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.sources.formats import Cut, Limits, Tail
from miso_upload.sources.formats.lines import LineEnd, cut_lines, row_too_long

LIMITS = Limits(rows=2, row_bytes=6, block_bytes=10)


@pytest.mark.parametrize(
    ("data", "tail", "cut"),
    [
        (b"1\n2\n3\n", Tail.COMING, Cut(4, elements=2)),  # as many rows as allowed
        (b"1\n", Tail.COMING, None),  # the next row may be there soon
        (b"1\n2", Tail.COMING, None),
        (b"1\n2", Tail.WAITING, Cut(2)),  # the last row may go on
        (b"1\n2", Tail.LAST, Cut(3)),
        (b"1", Tail.WAITING, None),
        (b"123456\n12345", Tail.COMING, Cut(7)),  # as many bytes as allowed
    ],
)
def test_a_block_is_as_many_complete_lines_as_the_limits_allow(data, tail, cut):
    assert cut_lines(data, LIMITS, tail) == cut


@pytest.mark.parametrize("tail", Tail)
def test_a_line_larger_than_a_block_is_its_own_block(tail):
    data = b"x" * 20 + b"\n"

    assert cut_lines(data, Limits(rows=2, row_bytes=20, block_bytes=10), tail) == Cut(21)


@pytest.mark.parametrize("tail", Tail)
def test_an_overlong_line_is_a_fault_up_to_its_end(tail):
    data = b"x" * 20 + b"\ny\n"

    assert cut_lines(data, LIMITS, tail) == Cut(21, fault=row_too_long(6))


@pytest.mark.parametrize("tail", Tail)
def test_the_end_of_an_overlong_line_can_be_missing(tail):
    cut = cut_lines(b"x" * 20, LIMITS, tail)

    assert (cut.size, cut.fault) == (20, row_too_long(6))
    assert cut.rest.find(b"xxx") is None
    assert cut.rest.find(b"xxx\nyyy") == 4


@given(data=st.binary(min_size=1, max_size=60), tail=st.sampled_from(Tail), rows=st.integers(1, 4))
def test_a_block_is_never_empty_and_never_ends_inside_a_line(data, tail, rows):
    cut = cut_lines(data, Limits(rows=rows, row_bytes=6, block_bytes=10), tail)

    if cut is None:
        assert tail is not Tail.LAST
        return
    assert cut.size
    assert data[: cut.size].count(b"\n") <= rows
    assert cut.rest or data[: cut.size].endswith(b"\n") or tail is Tail.LAST


def test_a_line_end_is_found_in_the_piece_that_contains_it():
    end = LineEnd()

    assert [end.find(piece) for piece in (b"", b"abc", b"d\nef\n")] == [None, None, 2]
