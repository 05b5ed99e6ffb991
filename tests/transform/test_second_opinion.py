"""Another library judges the same records; where it disagrees, docs/validation.md says why."""

import json
import math
import re
from datetime import datetime

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from tests.helpers.generators import IDS, TYPES, damaged_records, records
from tests.helpers.paths import ROOT, SHARED_DATA

VALIDATOR = RecordValidator(shipped_schema())
SECOND = {
    name: jsonschema.Draft202012Validator(
        shipped_schema().type_schema(name),
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )
    for name in TYPES
}
PAGE = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
FORMAT_TESTS = SHARED_DATA / "jsonschema" / "draft2020-12"

MOMENTS = (
    "2025-03-01T09:30:00.000Z", "2016-12-31T18:59:60-05:00", "2023-02-29T00:00:00Z",
    "2024-01-01t00:00:00z", "2024-01-01T24:00:00Z", "9999-12-31T23:59:59.123456789-23:59",
    "0000-01-01T00:00:00Z", "2024-01-01T00:00:00+24:00", "2024-01-01",
)  # fmt: skip
UUIDS = ("2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2EB8AA08-AA98-11EA-B4AA-73B441D16380")
ADDRESSES = ("1.2.3.0", "255.255.255.255", "01.2.3.4", "::", "2001:db8::1", "::ffff:1.2.3.4")
CHARACTERS = "0123456789TtZz:.+-_ /,abcdefgx\n\N{FULLWIDTH DIGIT NINE}\N{ARABIC-INDIC DIGIT ONE}"


def second_opinion(record):
    """Return what the other library thinks of a record."""
    if record.get("type") not in TYPES or "timestamp" not in record:
        return False
    if not any(name in record for name in IDS) or any(record.get(name) == "" for name in IDS):
        return False
    return SECOND[record["type"]].is_valid(record)


def is_leap_second(moment):
    found = re.fullmatch(r"(.{10}[Tt].{5}):60(?:\.[0-9]+)?([Zz]|[+-]..:..)", moment)
    if found is None:
        return False
    before = datetime.fromisoformat(f"{found[1].upper()}:59{found[2].upper()}")
    offset = before.utcoffset().total_seconds()
    # Without the date, which may be the first or the last there is.
    return (before.hour * 3600 + before.minute * 60 - offset) % 86_400 == 86_340


def reasons_to_disagree(record):
    """Yield the rows of the page that hold for a record."""
    moment, miso_id = record.get("timestamp"), record.get("miso_id")
    if isinstance(moment, str):
        if moment.endswith("\n"):
            yield "a line feed after a timestamp"
        elif moment.startswith("0000-"):
            yield "a timestamp in the year 0"
        elif is_leap_second(moment):
            yield "a leap second"
    if isinstance(miso_id, str) and len(miso_id.replace("-", "")) == 32:
        if miso_id.count("-") > 4:
            yield "a UUID with too many hyphens"
        elif re.search("[^0-9a-fA-F-]", miso_id):
            yield "a UUID with a digit other than 0-9 and a-f"
    if any(isinstance(value, float) and not math.isfinite(value) for value in record.values()):
        yield "a number that JSON does not have"


def near(texts):
    """Return a strategy for texts that are a few characters away from one of `texts`."""
    changes = st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 1), st.sampled_from(["", *CHARACTERS])),
        max_size=3,
    )

    def changed(text, changes):
        for place, length, put in changes:
            text = text[:place] + put + text[place + length :]
        return text

    return st.builds(changed, st.sampled_from(texts), changes)


@st.composite
def judged_records(draw, type_name):
    """Draw a record that is good, damaged, or has a value that is nearly of its format."""
    kind = draw(st.sampled_from(["good", "damaged", "timestamp", "miso_id", "context"]))
    if kind == "damaged":
        return draw(damaged_records(type_name))
    record = draw(records(type_name))
    if kind == "context":
        return {**record, "context": {"truncated_ip": draw(near(ADDRESSES))}}
    if kind != "good":
        record[kind] = draw(near(MOMENTS if kind == "timestamp" else UUIDS))
    return record


def rows_of_the_page():
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1].startswith("`{"):
            yield cells[0], json.loads(cells[1].strip("`")), cells[2], cells[3]


@pytest.mark.parametrize("type_name", TYPES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_another_library_judges_the_same_but_for_what_the_page_lists(type_name, data):
    record = data.draw(judged_records(type_name))

    agree = VALIDATOR.accepts([record]) is second_opinion(record)

    assert agree or list(reasons_to_disagree(record)), record


@pytest.mark.parametrize("row", list(rows_of_the_page()), ids=lambda row: row[0])
def test_each_row_of_the_page_is_true(row):
    what, attributes, ours, theirs = row
    record = {"type": "read", "timestamp": "2025-03-01T09:30:00Z", "user_id": "u", **attributes}

    assert list(reasons_to_disagree(record)) == [what]
    assert VALIDATOR.accepts([record]) is (ours == "take it")
    assert second_opinion(record) is (theirs == "takes it")
    assert VALIDATOR.accepts([record]) is not second_opinion(record)


def test_the_page_lists_all_reasons_that_the_tests_know():
    assert len(list(rows_of_the_page())) == 6


@pytest.mark.skipif(not FORMAT_TESTS.exists(), reason="the official format tests are not here")
@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("date-time", lambda value: {"timestamp": value}),
        ("uuid", lambda value: {"miso_id": value}),
        ("ipv4", lambda value: {"context": {"truncated_ip": value}}),
    ],
)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_formats_are_judged_as_the_official_tests_say(name, attributes, type_name, data):
    groups = json.loads((FORMAT_TESTS / f"{name}.json").read_text())
    cases = [case for group in groups for case in group["tests"] if isinstance(case["data"], str)]
    record = data.draw(records(type_name))

    wrong = [
        case
        for case in cases
        if VALIDATOR.accepts([{**record, **attributes(case["data"])}]) != case["valid"]
    ]

    assert len(cases) > 15
    assert wrong == []
