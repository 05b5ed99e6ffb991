from hypothesis import given
from hypothesis import strategies as st

from miso_upload.records.element import (
    MAX_ELEMENTS,
    MAX_TABLES,
    Element,
    element_of,
    is_element,
    line_of,
    numbered,
)

elements = st.builds(
    Element, st.integers(1, 2**33), st.integers(0, MAX_TABLES - 1), st.integers(0, MAX_ELEMENTS)
)


@given(elements)
def test_a_number_contains_its_line_table_and_element(element):
    number = numbered(*element)

    assert element_of(number) == element
    assert line_of(number) == element.line
    assert number < 2**63


@given(st.integers(1, 2**40))
def test_the_only_element_of_a_row_has_the_number_of_its_line(line):
    assert numbered(line, 0, 0) == line
    assert not is_element(line)
    assert element_of(line) == Element(line)


@given(st.lists(elements.filter(lambda each: each.table or each.number), max_size=20))
def test_numbers_are_in_the_order_of_rows_tables_and_elements(some):
    assert sorted(numbered(*each) for each in some) == [numbered(*each) for each in sorted(some)]
    assert all(is_element(numbered(*each)) for each in some)


def test_a_position_is_shown_with_what_is_not_obvious():
    assert [Element(3).text, Element(3, 0, 2).text, Element(3, 1, 2).text, Element(3, 1).text] == [
        "3",
        "3, element 2",
        "3, records 2, element 2",
        "3, records 2",
    ]
