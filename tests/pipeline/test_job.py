"""What lies under a source's mapping, and what a run remembers of it."""

from types import SimpleNamespace

import pytest

from miso_upload import Settings
from miso_upload.errors import ConfigurationError, MappingError
from miso_upload.pipeline.job import Job
from miso_upload.sources import ReadingOptions, Source
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.transform.mapping import bots

PLAIN = SimpleNamespace(format=JsonLines(row_bytes=2**20))
LOG = SimpleNamespace(
    format=JsonLines(row_bytes=2**20, preset="web-log"), beginning=b"", body_start=0, head_start=0
)
"""Sources, as far as a job looks at them."""


def job(**options):
    return Job(Settings.of(inputs=("x",), **options))


def text(source, **options):
    return job(**options).fingerprint(source)


def test_a_format_brings_its_preset_where_none_is_named():
    assert text(LOG) == text(PLAIN, preset="web-log") != text(PLAIN)
    assert text(LOG, preset="segment") == text(PLAIN, preset="segment")


def test_no_preset_is_brought_where_none_is_wanted():
    assert text(LOG, preset="none") == text(PLAIN)


def test_what_a_format_brings_lies_under_the_mapping_file(tmp_path):
    mapping = tmp_path / "my.toml"
    mapping.write_text('[[routes]]\nmatch = "/"\ntype = "home_page_view"\n')
    block = LOG.format

    both = job(mapping=str(mapping))

    assert both.fingerprint(LOG) not in (both.fingerprint(PLAIN), text(LOG))
    assert block.preset == "web-log"


@pytest.mark.parametrize(
    "options",
    [{"keep": ("bots",)}, {"bot_rate": 60}, {"ipv6_prefix": 64}, {"trusted_proxies": "10.0.0.0/8"}],
)
def test_what_decides_about_records_is_part_of_the_text(options):
    assert text(LOG, **options) != text(LOG)


def test_a_series_is_part_of_the_text():
    assert text(PLAIN, series="web-1") != text(PLAIN, series="web-2") != text(PLAIN)


def test_a_natural_key_is_part_of_the_text(tmp_path):
    texts = set()
    for key in ("", '[rows]\nkey = ["order_id"]\n', '[rows]\nkey = ["order_id", "line"]\n'):
        mapping = tmp_path / "my.toml"
        mapping.write_text(f'{key}[attributes]\nuser_id = "u"\n')
        texts.add(text(PLAIN, mapping=str(mapping)))

    assert len(texts) == 3


@pytest.mark.parametrize(
    "options", [{"already_sent": "send"}, {"changed": "send"}, {"chunk_size": 7}, {"workers": 2}]
)
def test_what_decides_only_about_sending_is_no_part_of_the_text(options):
    assert text(PLAIN, **options) == text(PLAIN)


def keys_of(tmp_path, line, **options):
    """Return the content keys of a file with one line."""
    table = tmp_path / "h.jsonl"
    table.write_text(f"{line}\n")
    made = Job(Settings.of(inputs=("x",), **options), b"a secret")
    with Source(str(table), ReadingOptions()) as source:
        (block,) = source.blocks(source.body_start, source.body_line)
        return list(made.transform(source)(block).keys)


LINE = '{"type": "search", "timestamp": "2025-03-01T10:00:00Z", "user_id": "u1"}'


def test_a_record_has_the_same_key_however_its_row_is_written(tmp_path):
    other = LINE.replace("10:00:00Z", "11:00:00+01:00").replace(": ", ":").replace("{", "{ ")

    assert keys_of(tmp_path, LINE) == keys_of(tmp_path, other) != []


def test_another_series_has_other_keys_and_another_strictness_has_not(tmp_path):
    assert keys_of(tmp_path, LINE, series="web-1") != keys_of(tmp_path, LINE)
    assert keys_of(tmp_path, LINE, strict=True) == keys_of(tmp_path, LINE)


def test_without_a_secret_there_are_no_keys(tmp_path):
    table = tmp_path / "h.jsonl"
    table.write_text(f"{LINE}\n")
    with Source(str(table), ReadingOptions()) as source:
        (block,) = source.blocks(source.body_start, source.body_line)
        batch = job().transform(source)(block)

    assert (len(batch.lines), len(batch.keys)) == (1, 0)


def test_networks_in_another_order_are_the_same():
    one, other = "10.0.0.0/8,2001:db8::/32", "2001:db8::/32, 10.0.0.0/8"

    assert text(LOG, trusted_proxies=one) == text(LOG, trusted_proxies=other)


def test_another_list_of_bots_is_no_other_job(monkeypatch):
    before = text(LOG)
    monkeypatch.setattr(bots, "is_bot", lambda _: True)

    assert text(LOG) == before


def test_a_skip_of_another_source_may_be_kept_here():
    assert text(PLAIN, keep=("bots",)) == text(PLAIN)


@pytest.mark.parametrize(
    "options",
    [
        {"keep": ("robots",)},
        {"trusted_proxies": "lb.example"},
        {"ipv6_prefix": 0},
    ],
)
def test_what_cannot_be_meant_is_said_at_once(options, golden):
    with pytest.raises(ConfigurationError) as caught:
        job(**options)
    assert str(caught.value) == golden


@pytest.mark.parametrize(
    "written",
    [
        '[[routes]]\nmatch = "/"\ntype = "reads"\n',
        '[attributes]\ntype = { value = "rating" }',
        '[attributes]\nuser_id = "u"\ntype = { column = "e", values = { cart = "addtocart" } }',
        '[attributes]\ntype = { column = "e", default = "x" }',
    ],
)
def test_a_mapping_file_that_names_no_type_there_is_is_refused(
    tmp_path, monkeypatch, written, golden
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(written)

    with pytest.raises(MappingError) as caught:
        job(mapping="my.toml")
    assert str(caught.value) == golden


@pytest.mark.parametrize("options", [{}, {"map": ("type=event",)}], ids=["always", "by default"])
def test_an_option_that_names_no_type_there_is_is_refused(options, golden):
    with pytest.raises(MappingError) as caught:
        job(set=("type=rating",), **options)
    assert str(caught.value) == golden


def test_values_that_stand_for_no_record_are_no_types(tmp_path):
    mapping = tmp_path / "my.toml"
    mapping.write_text('[attributes]\ntype = { column = "e", values = { a = "search", b = "" } }')

    assert job(mapping=str(mapping))


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("who,what", {}),
        ("1,1193,5,978300760", {}),
        ("1,1193,5", {"no_header": True}),
        (",".join(f"c{number}" for number in range(12)), {}),
    ],
)
def test_a_column_that_is_missing_is_told_with_those_that_are_there(
    tmp_path, header, options, golden
):
    table = tmp_path / "h.csv"
    table.write_text(f"{header}\n{header}\n")

    with (
        Source(str(table), ReadingOptions(**options)) as source,
        pytest.raises(MappingError) as caught,
    ):
        job(map=("user_id=x",), **options).transform(source)
    assert str(caught.value) == golden
