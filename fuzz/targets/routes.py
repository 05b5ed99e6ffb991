"""Routes, and URLs that are matched against them."""

from __future__ import annotations

from fuzz.properties import must, must_be_harmless, only_our_errors
from miso_upload.records.unmatched_paths import UnmatchedPaths
from miso_upload.transform.mapping.routes import compile_route, parameters_of, split_url
from miso_upload.values.display import quoted
from miso_upload.values.json import encode

SPECIMENS = (
    b"/products/{product_ids}\n/products/7\nhttps://shop.example/products/a%2Fb/?x#y",
    b"/{a}-{b}-{c}.html?q={d}&e=f\n/x-y-z-1.html?q=%C3%A9+&e=f",
    b"/a/**/b/*/{c}\n/a//1/2;jsessionid=3/b/4/5/",
    b"/*.png\n/a.png",
    b"/**\n//\n*\nhttp:\n://\n?q",
    b"/p-{a}/{b}.x/\n/p-/p-1/2.x",
    b"{a}\n/",
    b"/{a}{b}\n/x",
    b"/%7Bx%7D/{a}\n/%7bx%7D/%ff%fe",
)
TOKENS = (
    b"/", b"//", b"{a}", b"{b}", b"*", b"**", b"-", b".html", b"?q=", b"&", b"%2F", b"%2f", b"%25",
    b"%", b";x", b"#", b"http://h", b"+", b"{", b"}", b"\xc3\xa9", b"\n/",
)  # fmt: skip


def one_input(data: bytes) -> None:
    """Read the first line as a route, and the others as URLs."""
    match, *urls = data.decode(errors="replace").split("\n")
    pages = UnmatchedPaths()
    with only_our_errors():
        route = compile_route(match)
        for url in urls:
            parts = split_url(url)
            if parts is None:
                continue
            must(parts[0].startswith("/"), "a path begins with a slash")
            places = route.fit(*parts)
            if places is None:
                pages.count(parts[0], parameters_of(parts[1]))
                continue
            must(set(route.names) <= set(places), "each place holds something")
            must(all(isinstance(text, str) for text in places.values()), "of text")
            encode(places)
    for pattern in pages.patterns():
        must_be_harmless(quoted(pattern.path))
