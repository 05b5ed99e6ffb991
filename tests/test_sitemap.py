import pickle

from hypothesis import given
from hypothesis import strategies as st

from miso_upload.records.unmatched_paths import (
    ANY,
    MOST_BESIDE,
    MOST_PAGES,
    MOST_PARAMETERS,
    SiteMap,
)


def seen(*paths, sections=()):
    """Return the shapes of some visits, as path and count."""
    pages = SiteMap()
    for path in paths:
        pages.see(path, ())
    return [(shape.path, shape.visits) for shape in pages.shapes(sections)]


def test_pages_are_counted_and_the_most_visited_comes_first():
    assert seen("/", "/about", "/about/") == [("/about", 2), ("/", 1)]


def test_a_step_with_many_values_is_a_place():
    assert seen(*(f"/shoes/{name}" for name in "abcdefgh")) == [("/shoes/*", 8)]


def test_a_step_with_few_names_is_none():
    assert len(seen(*(f"/shop/{name}" for name in "abc"))) == 3


def test_a_few_numbers_are_a_place():
    assert seen("/p/1", "/p/22", "/p/x-3") == [("/p/*", 3)]


def test_behind_a_section_that_is_known_one_value_is_enough():
    assert seen("/Products/boot", sections={"products"}) == [("/Products/*", 1)]


def test_a_place_may_be_in_the_middle():
    assert seen(*(f"/users/{number}/orders" for number in range(9))) == [("/users/*/orders", 9)]


def test_an_ending_that_all_values_have_is_kept():
    assert seen(*(f"/p/{number}.html" for number in range(9))) == [("/p/*.html", 9)]


def test_what_stands_at_the_top_are_sections():
    assert len(seen(*(f"/{number}" for number in range(20)))) == 20


def test_many_pages_at_the_top_that_end_alike_are_a_place():
    assert seen(*(f"/{number}.html" for number in range(40))) == [("/*.html", 40)]


def test_an_address_of_mail_is_not_kept():
    assert seen("/unsubscribe/jane@shop.example") == [("/unsubscribe/*", 1)]


def test_no_number_of_pages_fills_the_memory():
    pages = SiteMap()

    for number in range(3 * MOST_PAGES):
        pages.see(f"/{number % 97}/{number}/x{number}", ())

    assert pages.visits == 3 * MOST_PAGES
    assert pages.pages <= 2 * MOST_PAGES
    assert all(len(page.below) <= MOST_BESIDE + 1 for page in pages.root.below.values())


def test_no_number_of_parameters_fills_the_memory():
    pages = SiteMap()

    pages.see("/", [f"p{number}" for number in range(1_000)])

    (shape,) = pages.shapes()
    assert len(shape.parameters) == MOST_PARAMETERS


paths = st.text("/ab1.*%", max_size=40).map(lambda text: "/" + text)


@given(st.lists(paths), st.lists(paths))
def test_nothing_is_lost_when_counts_are_added(some, others):
    pages, more = SiteMap(), SiteMap()
    for path in some:
        pages.see(path, ["q"])
    for path in others:
        more.see(path, ["q"])

    pages.add(pickle.loads(pickle.dumps(more)))

    assert pages.visits == len(some) + len(others)
    assert sum(shape.visits for shape in pages.shapes()) == pages.visits


def test_what_is_beyond_the_bound_is_counted_under_a_star():
    pages = SiteMap()

    for number in range(MOST_BESIDE + 5):
        pages.see(f"/p/{number}", ())

    assert pages.root.below["p"].below[ANY].visits == 5
