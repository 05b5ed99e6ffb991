"""Which records of a block are still to be sent, also if other options make other records now."""

from miso_upload.records import Leftover
from miso_upload.records.element import numbered


def elements(line, *numbers):
    return frozenset(numbered(line, 0, number) for number in numbers)


def test_records_with_the_same_numbers_are_left():
    left = Leftover(elements(3, 2), frozenset({5}) | elements(3, 4))

    assert left.matched([*elements(3, 1, 2, 3, 4), 5, 6]) == left


def test_all_elements_are_left_of_a_row_that_was_one_record():
    left = Leftover(pending=frozenset({3, 5}))

    assert left.matched([*elements(3, 1, 2), 5, 6]).pending == elements(3, 1, 2) | {5}


def test_a_row_that_had_elements_and_is_one_record_now_is_left():
    left = Leftover(unknown=elements(3, 1, 2), pending=elements(3, 3))

    assert left.matched([3, 4]) == Leftover(frozenset({3}), frozenset())


def test_elements_that_are_no_longer_made_stay_to_be_counted():
    left = Leftover(pending=elements(3, 7))

    assert left.matched(elements(3, 1, 2)) == left
