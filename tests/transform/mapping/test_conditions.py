import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.transform.mapping.conditions import Condition, compile_condition

GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def holds(row, column="x", **said):
    return compile_condition(Condition("name", column, **said))(row)


@pytest.mark.parametrize(
    "url",
    [
        "/app.js",
        "/APP.JS",
        "/app.js?v=3",
        "/app.js#top",
        "/app.js;jsessionid=1A2B",
        "/app%2Ejs",
        "/static//app.js",
        "https://shop.example/app.js?x=/page",
        "/robots.txt",
        "/a/robots.txt",
        "/app.min.map.js",
        "/a.tar.gz",
    ],
)
def test_the_ending_of_a_path_is_found_in_a_url(url):
    assert holds({"x": url}, path_ends=(".js", "/robots.txt", ".tar.gz"))


@pytest.mark.parametrize(
    "url",
    ["/", "/js", "/page?file=app.js", "/app.js/page", "/app.jsx", "https://shop.js", "*", "", None,
     7, "shop.example:443", "/" + "x" * 9_000 + "%2Ejs"],
)  # fmt: skip
def test_a_path_with_another_ending_does_not_match(url):
    assert not holds({"x": url}, path_ends=(".js", "/robots.txt"))


def test_a_bot_is_recognised_by_its_user_agent():
    assert holds({"x": GOOGLE}, bot=True)
    assert not holds({"x": GOOGLE}, bot=False)
    assert not holds({"x": "Mozilla/5.0 (X11)"}, bot=True)


@pytest.mark.parametrize("row", [{}, {"x": ""}, {"x": "-"}, {"x": None}])
def test_a_row_without_a_user_agent_is_no_bot(row):
    assert not holds(row, bot=True)


def test_a_condition_holds_if_all_of_its_tests_do():
    said = {"one_of": ("/a.js", "/b.css"), "path_ends": (".js",)}

    assert holds({"x": "/a.js"}, **said)
    assert not holds({"x": "/b.css"}, **said)


@given(st.none() | st.booleans() | st.integers() | st.text() | st.text("/.;%#?:js", max_size=30))
def test_no_value_makes_a_condition_raise(value):
    said = {"path_ends": (".js", "/x"), "bot": True, "like": ("*x*",), "below": 3, "empty": False}

    for name, each in said.items():
        assert holds({"x": value}, **{name: each}) in (True, False)
