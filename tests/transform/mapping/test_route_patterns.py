import pytest

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.routes import compile_route, split_url


def fit(match, url):
    return compile_route(match).fit(*split_url(url))


@pytest.mark.parametrize(
    ("match", "url", "product"),
    [
        ("/p/{product_ids}-*", "/p/12-red-shoe", "12"),
        ("/p/{product_ids}-*.html", "/p/12-a-b.html", "12"),
        ("/p/*-{product_ids}", "/p/red-shoe-12", "12"),
        (r"/p/{product_ids:\d+}-*", "/p/12-3-x", "12"),
        (r"/*-{product_ids:\d{2,8}}.html", "/a-b-99.html", "99"),
        (r"/p/{product_ids:[A-Z]{2}-\d+}/**", "/p/AB-1/x/y", "AB-1"),
        (r"/x?id={product_ids:\d+(?:-\d+)?}", "/x?id=12-3", "12-3"),
    ],
)
def test_a_placeholder_takes_the_shortest_text_or_its_pattern(match, url, product):
    assert fit(match, url)["product_ids"] == product


@pytest.mark.parametrize(
    ("match", "url"),
    [(r"/p/{product_ids:\d+}", "/p/12x"), (r"/x?id={product_ids:\d+}", "/x?id=a")],
)
def test_a_text_outside_the_pattern_does_not_match(match, url):
    assert fit(match, url) is None


@pytest.mark.parametrize(
    "pattern",
    [r"(?:\d+)+", r"(\d+)+", r"\d+\d+\d+\d+", r"x(?=y)", r"(a)\1", "[", "(?:a", r"\d{3,1}"],
)
def test_a_pattern_that_could_take_long_or_is_invalid_is_refused(pattern):
    with pytest.raises(ConfigurationError):
        compile_route(f"/p/{{product_ids:{pattern}}}")
