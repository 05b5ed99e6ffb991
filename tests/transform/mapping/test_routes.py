import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.transform.mapping.routes import Routing, compile_route, split_url


def fitted(match, url):
    parts = split_url(url)
    return None if parts is None else compile_route(match).fit(*parts)


@pytest.mark.parametrize(
    "url",
    [
        "/products/boot 7",
        "/products/boot%207",
        "/products/boot%207/",
        "/products/boot%207?color=red",
        "/products/boot%207#reviews",
        "/products/boot%207;jsessionid=1A2B",
        "/products;jsessionid=1A2B/boot%207;v=1/?x=;",
        "//products///boot%207//",
        "/%70roducts/boot%207",
        "https://shop.example/products/boot%207",
        "HTTPS://shop.example:443/products/boot%207/?x",
    ],
)
def test_many_spellings_are_one_page(url):
    assert fitted("/products/{product_ids}", url) == {"product_ids": "boot 7"}


@pytest.mark.parametrize(
    "url", ["/products", "/products/", "/products/a/b", "/x/products/a", "products/a", "*",
            "shop.example:443", "", "#top", "/products/" + "a" * 9_000, "https:/products/a"],
)  # fmt: skip
def test_a_url_of_another_shape_does_not_match(url):
    assert fitted("/products/{product_ids}", url) is None


def test_a_slash_that_is_encoded_is_part_of_the_value():
    assert fitted("/p/{product_ids}", "/p/a%2Fb%2fc") == {"product_ids": "a/b/c"}
    assert fitted("/p/{product_ids}", "/p/a%252Fb") == {"product_ids": "a%2Fb"}


@pytest.mark.parametrize("match", ["/b\u00fccher/{x}", "/b%C3%BCcher/{x}"])
def test_a_pattern_may_be_written_encoded_or_not(match):
    assert fitted(match, "/b%C3%BCcher/1") == fitted(match, "/b\u00fccher/1") == {"x": "1"}


@pytest.mark.parametrize(
    "url", ["/", "https://shop.example", "https://shop.example/", "/?a=1", "//"]
)
def test_the_home_page_has_no_steps(url):
    assert fitted("/", url) == {}


def test_parameters_are_decoded_and_the_first_counts():
    assert fitted("/s?q={x}", "/s?a=1&q=oak+table%21&q=2") == {"x": "oak table!"}


def test_too_many_parameters_are_none():
    assert fitted("/s?q={x}", "/s?q=1" + "&a" * 1_000) is None


@given(st.text() | st.text("/:;%2F?#ab.{}", max_size=40))
def test_no_url_makes_it_raise(url):
    parts = split_url(url)

    assert parts is None or parts[0].startswith("/")


def test_options_that_are_not_configured_come_from_below():
    upper = Routing(url="u")
    lower = Routing(url="x", method="m", otherwise="keep")

    assert upper.over(lower) == Routing((), "u", "m", "keep")
