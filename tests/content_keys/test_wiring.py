"""Keys come with each batch, by way of options and mapping files, and through processes."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload import Settings
from miso_upload.delivery.request_bodies import RequestBody
from miso_upload.errors import MappingError
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.pipeline.job import Job
from miso_upload.pipeline.workers.pool import WorkerPool
from miso_upload.records import Block
from miso_upload.sources import ReadingOptions, Source
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.transform.block import Transform
from miso_upload.transform.content_keys.canonical import canonical
from miso_upload.transform.content_keys.keys import ContentKeys
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapper, MappingSpec, parse_mapping
from miso_upload.transform.mapping.conditions import Condition
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from miso_upload.values.hashing import hashes
from miso_upload.values.json import decode, decode_joined, encode
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.generators import damaged_records, json_values, records
from tests.helpers.rows import row

SECRET = bytes(range(32))
SCHEMA = shipped_schema()
VALIDATOR = RecordValidator(SCHEMA)
KEYS = ContentKeys(SECRET, shipped_schema=True)
NEVER = Condition("never", "a column that there is not", empty=False)
"""Skips nothing, but needs every row looked at."""


def transform(keys, *skips):
    mapper = Mapper(MappingSpec(skips=skips), SCHEMA, TimestampReader(), IdentityPolicy(), None)
    return Transform(JsonLines(row_bytes=2**20), mapper, VALIDATOR, keys=keys)


def block(rows):
    data = b"".join(encode(each) + b"\n" for each in rows)
    return Block(1, 0, len(data), 1, len(rows), data)


ROWS = st.lists(
    records() | damaged_records() | st.dictionaries(st.text(max_size=3), json_values, max_size=3),
    min_size=1,
    max_size=8,
)


@given(ROWS, st.booleans())
def test_each_record_of_a_batch_has_the_key_of_what_is_sent(rows, closer):
    batch = transform(KEYS, *[NEVER] * closer)(block(rows))

    sent = decode_joined(batch.slices)
    assert list(batch.keys) == list(KEYS.of(sent).keys)
    assert list(batch.keys) == list(hashes(map(canonical, sent), KEYS._seed))
    assert list(batch.days) == list(KEYS.of(sent).days)
    assert len(batch.lines) == len(batch.keys) == len(batch.lengths)
    assert batch.contents is None


@given(ROWS, st.booleans())
def test_keys_change_nothing_else_about_a_batch(rows, closer):
    with_keys = transform(KEYS, *[NEVER] * closer)(block(rows))
    without = transform(None, *[NEVER] * closer)(block(rows))

    assert decode_joined(with_keys.slices) == decode_joined(without.slices)
    assert list(with_keys.lines) == list(without.lines)
    assert with_keys.rejections == without.rejections
    assert with_keys.findings == without.findings
    assert without.keys == array("Q")


@given(ROWS, st.data())
def test_records_are_cut_out_of_a_batch_by_their_lengths(rows, data):
    batch = transform(KEYS)(block(rows))
    sent = decode_joined(batch.slices)
    kept = sorted(data.draw(st.sets(st.sampled_from(range(len(sent)))))) if sent else []

    body = RequestBody.of(batch).at_indices(kept)

    assert decode(body.encoded())["data"] == [sent[i] for i in kept]


def test_batches_of_many_slices_have_a_key_for_each_record():
    rows = [row(number) for number in range(1_000)]
    rows[300] = {**rows[300], "timestamp": "2025-13-01"}

    batch = transform(KEYS)(block(rows))

    assert len(batch.counts) > 1
    assert batch.keys == KEYS.of(rows[:300] + rows[301:]).keys


def test_natural_keys_come_from_the_rows_that_records_were_made_of():
    keys = ContentKeys(SECRET, natural=("order",), shipped_schema=True)
    rows = [{**row(number), "order": number // 2} for number in range(600)]
    rows[5]["timestamp"] = "2025-13-01"

    batch = transform(keys, NEVER)(block(rows))

    kept = [each for i, each in enumerate(rows) if i != 5]
    sent = decode_joined(batch.slices)
    assert (batch.keys, batch.days, batch.contents) == keys.of(sent, kept)
    assert len(set(batch.keys)) == 300


@pytest.fixture
def pool():
    pool = WorkerPool(1, StopSignal())
    yield pool
    pool.close()


def test_workers_make_the_same_keys(pool):
    work = transform(KEYS)
    one = block([row(number) for number in range(300)])

    [(batch, _)] = pool.run(work, [(one, None)])

    assert batch.keys == work(one).keys
    assert batch.days == work(one).days
    assert batch.lengths == work(one).lengths


# -- options ---------------------------------------------------------------------------------------


@pytest.fixture
def orders(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("type,user_id,timestamp,order_id\ncheckout,u1,2025-03-01T00:00:00Z,7\n")
    with Source(str(path), ReadingOptions()) as source:
        yield source


def recipe(secret=SECRET, **options):
    return Job(Settings.of(inputs=("x",), **options), secret)


def mapping(tmp_path, text):
    path = tmp_path / "my.toml"
    path.write_text(text)
    return str(path)


KEY = '[rows]\nkey = ["order_id"]\n'


def batch_of(source, recipe):
    [block] = source.blocks(0, 1)
    return recipe.transform(source)(block)


def test_the_natural_key_of_a_mapping_file_is_used_and_its_column_is_not_reported(tmp_path, orders):
    how = recipe(mapping=mapping(tmp_path, KEY))

    found = batch_of(orders, how)

    assert found.keys == hashes([b'["checkout","7"]'], KEYS._seed)
    assert found.contents == batch_of(orders, recipe()).keys
    assert found.findings.unmapped == {}


def test_a_column_of_the_key_that_the_header_does_not_have_is_named(tmp_path, orders, golden):
    how = recipe(mapping=mapping(tmp_path, '[rows]\nkey = ["orderid"]\n'))

    with pytest.raises(MappingError) as caught:
        how.transform(orders)

    assert "'orderid'" in str(caught.value)
    assert str(caught.value) == golden


def test_series_and_natural_key_are_part_of_the_job(tmp_path, orders):
    texts = {
        recipe().fingerprint(orders),
        recipe(series="web1").fingerprint(orders),
        recipe(series="web2").fingerprint(orders),
        recipe(mapping=mapping(tmp_path, KEY)).fingerprint(orders),
    }

    assert len(texts) == 4


def test_without_a_secret_there_are_no_keys(orders):
    assert len(batch_of(orders, recipe(None)).keys) == 0


def test_a_key_is_a_list_of_columns(golden):
    with pytest.raises(MappingError) as caught:
        parse_mapping("my.toml", "[rows]\nkey = []\n")

    assert str(caught.value) == golden


def test_columns_under_other_names_identify_rows_too():
    file = parse_mapping("my.toml", '[columns]\nid = "nr"\n[rows]\nkey = ["id", "a.b"]\n')

    assert file.key == ("nr", "a.b")
