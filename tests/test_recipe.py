"""What lies under a source's mapping, and what a run remembers of it."""

from types import SimpleNamespace

import pytest

from miso_upload import Settings, bots
from miso_upload.errors import ConfigurationError, MappingError
from miso_upload.formats.jsonl import JsonLines
from miso_upload.recipe import Recipe
from miso_upload.sources import ReadingOptions, Source

PLAIN = SimpleNamespace(format=JsonLines(row_bytes=2**20))
LOG = SimpleNamespace(format=JsonLines(row_bytes=2**20, preset="web-log"))
"""Sources, as far as a recipe looks at them."""


def recipe(**options):
    return Recipe(Settings(inputs=("x",), **options))


def text(source, **options):
    return recipe(**options).text(source)


def test_a_format_brings_its_preset_where_none_is_named():
    assert text(LOG) == text(PLAIN, preset="web-log") != text(PLAIN)
    assert text(LOG, preset="segment") == text(PLAIN, preset="segment")


def test_no_preset_is_brought_where_none_is_wanted():
    assert text(LOG, preset="none") == text(PLAIN)


def test_what_a_format_brings_lies_under_the_mapping_file(tmp_path):
    mapping = tmp_path / "my.toml"
    mapping.write_text('[[routes]]\nmatch = "/"\ntype = "home_page_view"\n')
    block = LOG.format

    both = recipe(mapping=str(mapping))

    assert both.text(LOG) not in (both.text(PLAIN), text(LOG))
    assert block.preset == "web-log"


@pytest.mark.parametrize(
    "options",
    [{"keep": ("bots",)}, {"bot_rate": 60}, {"ipv6_prefix": 64}, {"trusted_proxies": "10.0.0.0/8"}],
)
def test_what_decides_about_records_is_part_of_the_text(options):
    assert text(LOG, **options) != text(LOG)


def test_networks_in_another_order_are_the_same():
    one, other = "10.0.0.0/8,2001:db8::/32", "2001:db8::/32, 10.0.0.0/8"

    assert text(LOG, trusted_proxies=one) == text(LOG, trusted_proxies=other)


def test_another_list_of_bots_is_no_other_recipe(monkeypatch):
    before = text(LOG)
    monkeypatch.setattr(bots, "is_bot", lambda _: True)

    assert text(LOG) == before


def test_a_skip_of_another_source_may_be_kept_here():
    assert text(PLAIN, keep=("bots",)) == text(PLAIN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ("robots",)}, "--keep robots: no rows are skipped under that name"),
        ({"trusted_proxies": "lb.example"}, "--trusted-proxies"),
        ({"ipv6_prefix": 0}, "--ipv6-prefix"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(options, message):
    with pytest.raises(ConfigurationError, match=message):
        recipe(**options)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            '[[routes]]\nmatch = "/"\ntype = "reads"\n',
            r'my.toml:2: the type of "/", "reads" is not',
        ),
        ('[attributes]\ntype = { value = "rating" }', r'my.toml:2: type.value "rating" is not an'),
        (
            '[attributes]\nuser_id = "u"\ntype = { column = "e", values = { cart = "addtocart" } }',
            r'my.toml:3: type.values, "cart" = "addtocart" is not .*did you mean add_to_cart',
        ),
        (
            '[attributes]\ntype = { column = "e", default = "x" }',
            r"my.toml:2: type.default .x. is not .*'miso-upload types' lists them",
        ),
    ],
)
def test_a_mapping_file_that_names_no_type_there_is_is_refused(
    tmp_path, monkeypatch, written, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(written)

    with pytest.raises(MappingError, match=message):
        recipe(mapping="my.toml")


@pytest.mark.parametrize("options", [{}, {"map": ("type=event",)}], ids=["always", "by default"])
def test_an_option_that_names_no_type_there_is_is_refused(options):
    with pytest.raises(MappingError, match=r"type=.*did you mean rate"):
        recipe(set=("type=rating",), **options)


def test_values_that_stand_for_no_record_are_no_types(tmp_path):
    mapping = tmp_path / "my.toml"
    mapping.write_text('[attributes]\ntype = { column = "e", values = { a = "search", b = "" } }')

    assert recipe(mapping=str(mapping))


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        ("who,what", {}, "'x'; it has 'who', 'what'$"),
        ("1,1193,5,978300760", {}, "'5', '978300760'; the first line looks like data; --columns"),
        ("1,1193,5", {"no_header": True}, "it has '1', '2', '3'$"),
        (",".join(f"c{number}" for number in range(12)), {}, "'c9' and 2 more$"),
    ],
)
def test_a_column_that_is_missing_is_told_with_those_that_are_there(
    tmp_path, header, options, said
):
    table = tmp_path / "h.csv"
    table.write_text(f"{header}\n{header}\n")

    with (
        Source(str(table), ReadingOptions(**options)) as source,
        pytest.raises(MappingError, match=said),
    ):
        recipe(map=("user_id=x",), **options).transform(source)
