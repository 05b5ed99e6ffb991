"""Ids that a program damaged are sent, warned about, and counted by the kind of damage."""

import shlex

import pytest

from miso_upload.records import Findings
from miso_upload.report.suspicions import suspicions
from miso_upload.transform.warnings import survey
from miso_upload.values.null_words import DEFAULT_NULL_WORDS, null_words
from tests.helpers.rows import row


def warnings_of(*records):
    findings = Findings()
    survey(records, range(1, len(records) + 1), findings)
    return findings.warnings


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("4.5E+11", "scientific"),
        ("7e+12", "scientific"),
        ("4.567e10", "scientific"),
        ('="00456"', "formula"),
        ("'00456", "apostrophe"),
        ("#REF!", "error value"),
        ("#NAME?", "error value"),
        ("#DIV/0!", "error value"),
        ("#####", "error value"),
        ("a\u200b1", "invisible"),
        ("a\u00a01", "invisible"),
        ("a\u00ad1", "invisible"),
        ("\ufeffa1", "byte order mark"),
        ("a\x07", "control"),
        ("a\ufffd", "U+FFFD"),
    ],
)
@pytest.mark.parametrize("name", ["user_id", "anonymous_id", "product_ids", "product_group_ids"])
def test_damage_is_found_in_every_id(name, value, word):
    damaged = [value] if name.startswith("product") else value

    found = warnings_of(row(1), row(2, **{name: damaged}), row(3))

    assert [(word in text, tally.count, tally.line) for text, tally in found.items()] == [
        (True, 1, 2)
    ]


@pytest.mark.parametrize(
    "value", ["1E10", "0e1f2a", "v1.05", "C#", "a=b", "o'neill", "naïve", "商品", "a b", "#42"]
)
def test_usual_ids_are_not_warned_about(value):
    assert not warnings_of(row(1, user_id=value, product_ids=[value]))


@pytest.mark.parametrize("value", ["0", "-1", "anonymous", "Guest"])
def test_a_placeholder_is_warned_about(value):
    (text,) = warnings_of(row(1, user_id=value))

    assert "placeholder" in text


def test_an_email_address_is_warned_about_without_showing_it():
    ((text, tally),) = warnings_of(row(1, user_id="ann@shop.example")).items()

    assert "e-mail" in text
    assert "ann" not in tally.example


def findings_of(blocks):
    """Return the findings of a run over blocks of user ids."""
    whole = Findings()
    for users in blocks:
        findings = Findings()
        records = [row(1, user_id=user) for user in users]
        for at in range(0, len(records), 256):
            survey(records[at : at + 256], range(256)[: len(records) - at], findings)
        findings.forget_rare_ids()
        whole.add(findings)
    return whole


def test_an_id_on_a_tenth_of_many_records_is_warned_about():
    block = ["most" if i % 5 == 0 else f"u{i}" for i in range(2_000)]

    (found,) = suspicions(findings_of([block, block]))

    assert '"most"' in found.text
    assert 600 <= found.records <= 1_000


@pytest.mark.parametrize(
    "users", [["most"] * 900, [f"u{i % 50}" for i in range(5_000)]], ids=["few rows", "no such id"]
)
def test_few_records_or_a_usual_share_are_not_warned_about(users):
    assert not list(suspicions(findings_of([users])))


def test_the_fix_for_a_common_id_is_an_option_that_can_be_pasted():
    (found,) = suspicions(findings_of([["not known"] * 2_000]))

    _, _, option = found.text.partition("Possible fix: ")
    name, words = shlex.split(option)
    assert name == "--null-values"
    assert null_words([words]) == (*DEFAULT_NULL_WORDS, "not known")


@pytest.mark.parametrize("user", ["a,b", "x" * 200])
def test_no_fix_is_named_that_the_option_cannot_express(user):
    (found,) = suspicions(findings_of([[user] * 2_000]))

    assert "--null-values" not in found.text


def test_rare_ids_are_forgotten_after_each_block():
    findings = findings_of([[f"u{i}" for i in range(5_000)]])

    assert not findings.common_ids["user_id"]


def test_several_currencies_are_warned_about():
    findings = Findings()
    findings.note([("revenue", "currency", "EUR")] * 3)
    assert not list(suspicions(findings))
    findings.note([("revenue", "currency", "CHF")])

    (found,) = suspicions(findings)

    assert found.records == 4
