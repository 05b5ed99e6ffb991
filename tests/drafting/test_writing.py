import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.drafting import Draft, Guess, LeftOut, mapping_text
from miso_upload.transform.mapping import parse_mapping
from tests.helpers.drafting import draft, table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(deadline=None)
@given(TEXT, TEXT, TEXT)
def test_any_text_is_written_and_read_back(column, name, comment):
    guess = Guess("type", {"column": column, "values": {name: "checkout"}}, comment, (comment,))
    found = Draft(1, [guess], unknown_events=[(name, 1)], left_out=[LeftOut(comment, "x", comment)],
                  missing=[comment])  # fmt: skip

    read = tomllib.loads(mapping_text(found, comment, comment))

    assert read["attributes"]["type"] == {"column": column, "values": {name: "checkout"}}


def test_a_missing_zone_is_a_comment_to_fill_in():
    found = draft(table(user_id=["u"], at=["2024-05-01 10:00"]))

    text = mapping_text(found, "h.csv", "mapping.toml")
    filled = text.replace('# timezone = "Europe/Berlin"', 'timezone = "Europe/Berlin"')

    (rule,) = [
        each.rule for each in parse_mapping("m", filled).rules if each.attribute == "timestamp"
    ]
    assert rule.timezone == "Europe/Berlin"
    assert [each.rule.timezone for each in parse_mapping("m", text).rules][-1] is None


def test_options_for_reading_are_written():
    text = mapping_text(Draft(1, options={"delimiter": ";", "encoding": "cp1252"}), "a", "b")

    assert parse_mapping("m", text).options == {"delimiter": ";", "encoding": "cp1252"}


def test_unmapped_columns_are_listed_with_an_example():
    text = mapping_text(draft(table(user_id=["u"], colour=["blue"])), "a", "b")

    assert '#   colour  "blue"' in text
