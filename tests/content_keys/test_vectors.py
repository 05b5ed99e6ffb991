"""The keys that a ledger has today are the keys that it must have tomorrow."""

import json
from pathlib import Path

import pytest

from miso_upload.transform.content_keys.canonical import canonical
from miso_upload.transform.content_keys.keys import ContentKeys

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
SECRET = bytes.fromhex(VECTORS["secret"])
KEYS = ContentKeys(SECRET)

each_vector = pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda each: each["kind"])


@each_vector
def test_the_canonical_form_is_that_of_the_vector(vector):
    assert canonical(json.loads(vector["json"])).decode() == vector["canonical"]


@each_vector
def test_key_and_day_are_those_of_the_vector(vector):
    keyed = KEYS.of([json.loads(vector["json"])])

    assert (f"{keyed.keys[0]:016x}", keyed.days[0]) == (vector["key"], vector["day"])


def test_all_vectors_at_once_have_the_keys_that_each_has():
    keyed = KEYS.of([json.loads(vector["json"]) for vector in VECTORS["records"]])

    assert [f"{key:016x}" for key in keyed.keys] == [each["key"] for each in VECTORS["records"]]
    assert list(keyed.days) == [each["day"] for each in VECTORS["records"]]


def test_the_natural_keys_are_those_of_the_vectors():
    natural = VECTORS["natural"]
    keys = ContentKeys(SECRET, natural=tuple(natural["columns"]))

    keyed = keys.of([natural["record"]], [natural["row"]])

    assert f"{keyed.keys[0]:016x}" == natural["key"]
    assert keyed.days[0] == natural["day"]


@pytest.mark.parametrize("series", VECTORS["series"], ids=lambda each: each["series"] or "none")
def test_the_key_of_a_record_depends_on_the_series_as_in_the_vectors(series):
    keyed = ContentKeys(SECRET, series["series"]).of([{"user_id": "u1"}])

    assert f"{keyed.keys[0]:016x}" == series["key"]
