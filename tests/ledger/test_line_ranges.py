import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.ledger.line_ranges import from_ranges, to_ranges


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([7], "7"),
        ([1, 2, 3, 7], "1-3,7"),
        ([1, 3, 5], "1,3,5"),
        (range(1, 10_001), "1-10000"),
        (range(5, 6), "5"),
        (range(1, 10, 4), "1,5,9"),
    ],
)
def test_runs_of_lines_are_written_short(lines, text):
    assert to_ranges(lines) == text


@pytest.mark.parametrize("lines", [[], (), range(0)])
def test_no_lines_are_no_text(lines):
    assert to_ranges(lines) is None


@given(st.sets(st.integers(1, 10**12) | st.integers(1, 50), min_size=1))
def test_what_is_written_is_read(lines):
    assert list(from_ranges(to_ranges(sorted(lines)))) == sorted(lines)
