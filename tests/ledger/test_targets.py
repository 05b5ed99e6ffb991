"""Which target a run means: its server's one spelling, its name, and the keys it knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError, NewKeyError, TargetError
from miso_upload.ledger.options import ResumeOptions
from miso_upload.ledger.targets import (
    KnownTarget,
    Wanted,
    choose_target,
    find_target,
    key_fingerprint,
    ledger_name,
    name_of_key,
    server_identity,
    shown_server,
)

SERVER = "https://api.askmiso.com"
A, B = "a" * 12, "b" * 12


def target(name, *keys, sent=True, server=SERVER):
    return KnownTarget(server, name, frozenset(keys), sent, ledger_name(server, name))


def unnamed(key, *more, sent=True):
    return target(name_of_key(key), key, *more, sent=sent)


def choose(known, key=A, **options):
    return choose_target(Wanted(SERVER, key, **options), known)


# -- servers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spellings",
    [
        ["https://api.askmiso.com", "https://API.AskMiso.com/", "https://api.askmiso.com:443",
         "HTTPS://api.askmiso.com.", "https://api.askmiso.com//"],
        ["http://localhost:8642", "http://127.0.0.1:8642/", "http://[::1]:8642",
         "http://LOCALHOST:8642", "http://[0:0:0:0:0:0:0:1]:8642", "http://127.1:8642",
         "http://[::ffff:127.0.0.1]:8642", "http://localhost.:8642"],
        ["http://localhost", "http://localhost:80", "http://127.0.0.1:80/"],
        ["https://api.askmiso.com/gw", "https://api.askmiso.com:443/gw/"],
        ["https://b\u00fccher.example", "https://B\u00dcCHER.example", "https://xn--bcher-kva.example"],
        ["https://[2001:DB8::0:1]", "https://[2001:db8:0:0::1]:443"],
    ],
)  # fmt: skip
def test_a_server_is_one_however_it_is_spelled(spellings):
    assert len({server_identity(each) for each in spellings}) == 1


def test_servers_that_differ_stay_apart():
    servers = [
        "https://api.askmiso.com", "https://api.askmiso.com/gw", "https://api.askmiso.com/GW",
        "https://api.askmiso.com:444", "http://api.askmiso.com", "https://api2.askmiso.com",
        "http://localhost:1", "http://localhost:2", "http://127.0.0.2:1",
        "https://stra\u00dfe.example", "https://strasse.example",
    ]  # fmt: skip

    assert len({server_identity(each) for each in servers}) == len(servers)


@pytest.mark.parametrize(
    "url",
    ["", "api.askmiso.com", "ftp://host", "https://", "https://h:port", "https://[::1", "//h"],
)
def test_what_is_no_server_is_refused(url, golden):
    with pytest.raises(ConfigurationError) as caught:
        server_identity(url)
    assert str(caught.value) == golden


def test_a_server_is_shown_as_its_host():
    assert shown_server(server_identity("https://API.askmiso.com/")) == "api.askmiso.com"
    assert shown_server(server_identity("http://[::1]:8642/gw")) == "localhost:8642/gw"


# -- file names ------------------------------------------------------------------------------------

names = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("/:aA-_."), min_size=1, max_size=30
)
servers = st.sampled_from([SERVER, f"{SERVER}/gw", f"{SERVER}:8443", "http://localhost:80_"])


@given(servers, names, servers, names)
def test_different_targets_never_share_a_file(server, name, other_server, other_name):
    mine, other = ledger_name(server, name), ledger_name(other_server, other_name)

    # Nor on a file system whose names have no case.
    assert (mine.casefold() == other.casefold()) == ((server, name) == (other_server, other_name))


@pytest.mark.parametrize("pair", [("a/b", "a:b"), ("Shop", "shop"), ("a b", "a_b")])
def test_names_that_look_alike_as_files_have_their_own(pair):
    assert len({ledger_name(SERVER, name).lower() for name in pair}) == 2


@given(servers, st.text(max_size=500))
def test_a_file_name_is_short_and_plain(server, name):
    file = ledger_name(server, name)

    assert len(file) < 120
    assert file.isascii()
    assert not set(file) & set('/\\:*?"<>| ')


def test_a_name_is_one_in_both_ways_that_unicode_has_to_write_it():
    assert ResumeOptions.of(target="caf\u00e9") == ResumeOptions.of(target=" cafe\u0301 ")


def test_a_fingerprint_is_that_of_version_0_1():
    assert key_fingerprint("sandbox") == "fdfe641e4c25"


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"target": "a", "new_target": "b"},
        {"rotated_key": True},
        {"rotated_key": True, "new_target": "a"},
        {"target": " "},
        {"new_target": ""},
    ],
)
def test_options_that_contradict_each_other_are_refused(options, golden):
    with pytest.raises(ConfigurationError) as caught:
        ResumeOptions.of(**options)
    assert str(caught.value) == golden


# -- the choice ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "name"),
    [({}, name_of_key(A)), ({"target": "shop"}, "shop"), ({"new_target": "shop"}, "shop")],
)
def test_where_nothing_is_known_the_target_is_new(options, name):
    elsewhere = target("shop", A, server="https://other.example")

    choice = choose([elsewhere], **options)

    assert (choice.name, choice.keys, choice.known) == (name, {A}, None)


@pytest.mark.parametrize("known", [unnamed(A), target("shop", A), target("shop", B, A)])
def test_without_a_name_the_key_says_which_target(known):
    assert choose([target("other", "c" * 12), known]).known == known


def test_a_new_key_without_a_name_stops_and_names_both_ways_out(golden):
    with pytest.raises(NewKeyError) as caught:
        choose([target("shop", B)])
    assert str(caught.value) == golden

    assert caught.value.names == ("shop",)


def test_a_target_does_not_take_a_key_that_it_does_not_know(golden):
    with pytest.raises(TargetError) as caught:
        choose([target("shop", B)], target="shop")
    assert str(caught.value) == golden


def test_a_rotated_key_is_accepted_once_and_known_from_then_on():
    before = target("shop", B)

    choice = choose([before], target="shop", rotated_key=True)

    assert (choice.known, choice.keys) == (before, {A, B})
    again = target("shop", *choice.keys)
    assert choose([again], target="shop").note == ""
    assert choose([again], key=B, target="shop").known == again


@pytest.mark.parametrize(
    "options",
    [{"target": "shop", "rotated_key": True}, {"target": "shop"}, {"new_target": "shop"},
     {"target": "new"}, {"target": "new", "rotated_key": True}, {"new_target": "new"}],
)  # fmt: skip
def test_a_key_of_another_target_is_always_refused_and_that_target_is_named(options, golden):
    with pytest.raises(TargetError) as caught:
        choose([target("shop", B), target("staging", A)], **options)
    assert str(caught.value) == golden


def test_a_new_target_repeated_with_its_key_is_that_target():
    known = target("shop", A)

    assert choose([known, target("other", B)], new_target="shop").known == known


def test_a_new_target_that_exists_with_another_key_is_refused(golden):
    with pytest.raises(TargetError) as caught:
        choose([target("shop", B)], new_target="shop")
    assert str(caught.value) == golden


def test_a_target_without_a_name_gets_one_and_keeps_its_ledger(golden):
    known = unnamed(A, B)

    choice = choose([known, target("other", "c" * 12)], target="shop")

    assert (choice.name, choice.known, choice.keys) == ("shop", known, {A, B})
    assert choice.note == golden


def test_a_target_without_a_name_is_no_new_one(golden):
    with pytest.raises(TargetError) as caught:
        choose([unnamed(A)], new_target="shop")
    assert str(caught.value) == golden


def test_the_only_target_gets_a_name_and_a_rotated_key_at_once():
    choice = choose([unnamed(B)], target="shop", rotated_key=True)

    assert (choice.name, choice.known, choice.keys) == ("shop", unnamed(B), {A, B})


@pytest.mark.parametrize(
    "known",
    [
        [target("shop", B)],
        [unnamed(B), target("shop", "c" * 12)],
        [unnamed(B), unnamed("c" * 12)],
    ],
)
def test_a_misspelled_name_with_a_rotated_key_starts_nothing(known, golden):
    for rotated in (True, False):
        with pytest.raises(TargetError) as caught:
            choose(known, target="shpo", rotated_key=rotated)
        assert str(caught.value) == golden


def test_a_rotated_key_needs_a_target_that_is_known(golden):
    with pytest.raises(TargetError) as caught:
        choose([], target="shop", rotated_key=True)
    assert str(caught.value) == golden


@pytest.mark.parametrize("options", [{}, {"target": "shop"}, {"new_target": "shop"}])
def test_what_a_refused_key_left_behind_is_in_nobodys_way(options):
    spare = unnamed(B, sent=False)

    choice = choose([spare], **options)

    assert (choice.known, choice.keys) == (spare, {A})
    assert choice.note == ""


def test_a_named_target_of_which_nothing_was_sent_takes_the_next_key():
    known = target("shop", B, sent=False)

    assert choose([known], target="shop").keys == {A}


def test_a_ledger_of_version_0_1_learns_its_key(golden):
    """Also where the same key was used before without a name: then the key alone means that one."""
    shop, without_name = target("shop"), unnamed(A)

    assert choose([shop], target="shop").keys == {A}
    assert choose([shop, without_name], target="shop").known == shop
    assert choose([target("shop", A), without_name]).known == without_name
    with pytest.raises(TargetError) as caught:
        choose([shop, target("staging", A)], target="shop")
    assert str(caught.value) == golden


@given(
    st.lists(
        st.builds(
            lambda name, keys, sent: target(name, *keys, sent=sent),
            st.sampled_from(["shop", "staging", name_of_key(A), name_of_key(B)]),
            st.sets(st.sampled_from([A, B])),
            st.booleans(),
        ),
        max_size=4,
        unique_by=lambda each: each.name,
        # No key has two targets: a chosen target knows no key that another one does.
    ).filter(lambda known: sum(len(each.keys) for each in known) == len({A, B} & {
        key for each in known for key in each.keys
    })),
    st.sampled_from([A, B, "c" * 12]),
    st.sampled_from([
        {}, {"target": "shop"}, {"target": "shop", "rotated_key": True}, {"new_target": "shop"},
    ]),
)  # fmt: skip
def test_whatever_is_chosen_knows_the_key_and_is_chosen_again(known, key, options):
    try:
        choice = choose(known, key, **options)
    except TargetError:
        return

    assert key in choice.keys
    others = [each for each in known if choice.known is None or each.name != choice.known.name]
    settled = [*others, target(choice.name, *choice.keys)]
    again = choose(settled, key, **{**options, "rotated_key": False})
    assert (again.name, again.keys, again.note) == (choice.name, choice.keys, "")
    assert find_target(Wanted(SERVER, key, **options), settled).name == choice.name


def test_to_look_up_a_ledger_a_key_or_a_name_is_enough():
    known = [target("shop", B), unnamed(A)]

    assert find_target(Wanted(SERVER, B), known).name == "shop"
    assert find_target(Wanted(SERVER, "", "shop"), known).name == "shop"
    assert find_target(Wanted(SERVER, A, "new"), known) == unnamed(A)
    assert find_target(Wanted(SERVER, ""), known) is None
    assert find_target(Wanted(SERVER, B, "new"), known) is None
