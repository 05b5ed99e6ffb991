"""A draft finds how numbers are written, and leaves open what the sample does not show."""

import pytest

from miso_upload.drafting.conventions import convention_of
from tests.helpers.commands import invoke


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        (["1", "2.5"], {}),
        (["1.234,50 €", "12", "7,1"], {"decimal": ","}),
        (["1,234.50", "$7.1"], {"decimal": "."}),
        (["1 234,50", "3,2"], {"decimal": ",", "thousands": " "}),
        (["1'234.50", "3.2"], {"decimal": ".", "thousands": "'"}),
        (["NULL", "2,5", ""], {"decimal": ","}),
    ],
)
def test_the_convention_of_a_column_is_found(texts, rule):
    found = convention_of(texts)

    assert (found.rule, found.other) == (rule, None)


def test_a_comma_that_may_be_either_mark_is_not_decided():
    assert convention_of(["1,234", "2,500", "17"]).other is not None


@pytest.mark.parametrize("texts", [[], ["NULL"], ["a", "b"], ["1,5", "x", "y"]])
def test_other_texts_have_no_convention(texts):
    assert convention_of(texts) is None


def drafted(path, lines):
    path.write_text("\n".join(lines) + "\n")
    made = invoke("init", path, "-o", "-")
    assert made.exit_code == 0
    return made.stdout


def test_a_draft_declares_conventions_and_reads_ids_with_a_fraction(tmp_path, golden):
    lines = [f'2025-03-{i + 10}T10:00:00Z;{i}.0;S-{i};"1.{i:03},50 €"' for i in range(15)]

    text = drafted(tmp_path / "o.csv", ["time;customer_id;sku;total", *lines])

    assert text.replace(str(tmp_path), "") == golden


def test_a_draft_leaves_open_what_no_value_decides(tmp_path, golden):
    lines = [
        f'0{i % 9 + 1}/0{i % 7 + 1}/2025 10:00,c{i},S-{i},"{i},50{i % 9}"' for i in range(1, 15)
    ]

    text = drafted(tmp_path / "o.csv", ["time,customer_id,sku,total", *lines])

    assert text.replace(str(tmp_path), "") == golden


def test_a_draft_reads_day_numbers_of_excel(tmp_path):
    lines = [f"{45000 + i}.25,c{i},S-{i}" for i in range(15)]

    text = drafted(tmp_path / "o.csv", ["date,customer_id,sku", *lines])

    assert 'format = "excel"' in text


def test_a_draft_looks_for_evidence_beyond_the_head_of_a_file(tmp_path):
    lines = [
        f"{1 + i // 12_000:02}/{1 + i // 2_000:02}/2025 10:00,c{i},S-{i}" for i in range(40_000)
    ]

    text = drafted(tmp_path / "o.csv", ["date,customer_id,sku", *lines])

    assert '\nformat = "%m/%d/%Y %H:%M"' in text
