import pickle

from hypothesis import given
from hypothesis import strategies as st

from miso_upload.records.unmatched_paths import (
    ANY,
    MAX_NODES,
    MAX_PARAMETERS,
    MAX_SIBLINGS,
    UnmatchedPaths,
)


def seen(*paths, sections=()):
    """Return the patterns of some visits, as path and count."""
    pages = UnmatchedPaths()
    for path in paths:
        pages.count(path, ())
    return [(pattern.path, pattern.visits) for pattern in pages.patterns(sections)]


def test_patterns_are_sorted_by_visits():
    assert seen("/", "/about", "/about/") == [("/about", 2), ("/", 1)]


def test_a_segment_with_many_values_becomes_a_wildcard():
    assert seen(*(f"/shoes/{name}" for name in "abcdefgh")) == [("/shoes/*", 8)]


def test_a_segment_with_few_names_stays():
    assert len(seen(*(f"/shop/{name}" for name in "abc"))) == 3


def test_a_few_numbers_become_a_wildcard():
    assert seen("/p/1", "/p/22", "/p/x-3") == [("/p/*", 3)]


def test_one_value_after_a_known_section_becomes_a_wildcard():
    assert seen("/Products/boot", sections={"products"}) == [("/Products/*", 1)]


def test_a_wildcard_may_be_in_the_middle():
    assert seen(*(f"/users/{number}/orders" for number in range(9))) == [("/users/*/orders", 9)]


def test_a_shared_extension_is_kept():
    assert seen(*(f"/p/{number}.html" for number in range(9))) == [("/p/*.html", 9)]


def test_first_segments_are_kept_as_sections():
    assert len(seen(*(f"/{number}" for number in range(20)))) == 20


def test_many_first_segments_with_one_extension_become_a_wildcard():
    assert seen(*(f"/{number}.html" for number in range(40))) == [("/*.html", 40)]


def test_an_email_address_is_not_kept():
    assert seen("/unsubscribe/jane@shop.example") == [("/unsubscribe/*", 1)]


def test_the_number_of_nodes_is_bounded():
    pages = UnmatchedPaths()

    for number in range(3 * MAX_NODES):
        pages.count(f"/{number % 97}/{number}/x{number}", ())

    assert pages.visits == 3 * MAX_NODES
    assert pages.nodes <= 2 * MAX_NODES
    assert all(len(node.children) <= MAX_SIBLINGS + 1 for node in pages.root.children.values())


def test_the_number_of_parameters_is_bounded():
    pages = UnmatchedPaths()

    pages.count("/", [f"p{number}" for number in range(1_000)])

    (pattern,) = pages.patterns()
    assert len(pattern.parameters) == MAX_PARAMETERS


paths = st.text("/ab1.*%", max_size=40).map(lambda text: "/" + text)


@given(st.lists(paths), st.lists(paths))
def test_add_keeps_every_visit(some, others):
    pages, more = UnmatchedPaths(), UnmatchedPaths()
    for path in some:
        pages.count(path, ["q"])
    for path in others:
        more.count(path, ["q"])

    pages.add(pickle.loads(pickle.dumps(more)))

    assert pages.visits == len(some) + len(others)
    assert sum(pattern.visits for pattern in pages.patterns()) == pages.visits


def test_values_beyond_the_bound_are_counted_under_the_wildcard():
    pages = UnmatchedPaths()

    for number in range(MAX_SIBLINGS + 5):
        pages.count(f"/p/{number}", ())

    assert pages.root.children["p"].children[ANY].visits == 5
