import gzip

from formats.reading import options
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.sources import Head, Source
from miso_upload.sources.fingerprint import HEAD_BYTES, digest

ROWS = b"".join(b'{"row":%d}\n' % number for number in range(20_000))


def head_of(path, data):
    path.write_bytes(data)
    with Source(str(path), options()) as source:
        return source.head


@given(data=st.binary(max_size=100), more=st.binary(max_size=100))
def test_the_beginning_of_a_grown_source_has_the_digest_that_it_had(data, more):
    before, now = Head(data), Head(data + more)

    assert now.digest(len(before)) == before.digest()
    assert (now.digest() == before.digest()) == (not more)


def test_a_head_does_not_show_what_it_holds():
    assert "secret" not in repr(Head(b"secret"))


def test_only_the_beginning_counts(tmp_path):
    one = head_of(tmp_path / "one.jsonl", ROWS)
    other = head_of(tmp_path / "other.jsonl", ROWS[:HEAD_BYTES] + b"x")

    assert len(one) == HEAD_BYTES
    assert one == other


def test_a_source_is_the_same_under_another_name_and_compressed(tmp_path):
    plain = head_of(tmp_path / "access.jsonl", ROWS)
    packed = head_of(tmp_path / "access.jsonl.1.gz", gzip.compress(ROWS))

    assert packed.digest() == plain.digest()


def test_a_source_is_the_same_in_another_encoding(tmp_path):
    rows = '{"a":"é"}\n'
    utf_8 = head_of(tmp_path / "a.jsonl", rows.encode())
    utf_16 = head_of(tmp_path / "b.jsonl", rows.encode("utf-16"))

    assert utf_16.digest() == utf_8.digest()


def test_a_source_that_has_grown_is_the_same(tmp_path):
    before = head_of(tmp_path / "a.jsonl", ROWS[:1000])
    now = head_of(tmp_path / "a.jsonl", ROWS)

    assert now.digest(len(before)) == before.digest()


def test_an_array_that_has_grown_is_the_same(tmp_path):
    """Its closing bracket gave way to more elements."""
    before = head_of(tmp_path / "a.json", b'[\n  {"a":1}\n]\n')
    now = head_of(tmp_path / "a.json", b'[\n  {"a":1},\n  {"a":2}\n]\n')

    assert now.digest(len(before)) == before.digest()


def test_a_digest_is_short_and_tells_data_apart():
    assert len(digest(b"a")) == 16
    assert digest(b"a") != digest(b"b")
