"""The same file read several times, each time for other records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from miso_upload import upload
from miso_upload.pipeline.settings import Settings
from miso_upload.pipeline.status import rejections_again, statuses
from miso_upload.sandbox import Sandbox
from miso_upload.sources import ReadingOptions

VIEWS = """
[attributes]
type.value = "product_detail_page_view"
timestamp = "at"
user_id = "who"
product_ids = "seen"
"""
LIKES = VIEWS.replace("product_detail_page_view", "like").replace('"seen"', '"liked"')


class Shop:
    """A file, two mappings of it, and a server."""

    def __init__(self, path, sandbox):
        self.path, self.sandbox = path, sandbox
        self.file = path / "visits.csv"
        self.rows(3)
        (path / "views.toml").write_text(VIEWS)
        (path / "likes.toml").write_text(LIKES)

    def rows(self, count):
        lines = [f"2024-05-01T10:00:0{n}Z,u{n},s{n},l{n}\n" for n in range(1, count + 1)]
        self.file.write_text("at,who,seen,liked\n" + "".join(lines))

    def upload(self, mapping, name="", **options):
        return upload(
            Settings.of(
                str(self.file), mapping=str(self.path / mapping), pass_name=name,
                server=self.sandbox.url, api_key=self.sandbox.key, state_dir=self.path / "state",
                max_reject_rate=1, **options,
            )
        )  # fmt: skip

    def held(self):
        return sorted((each["type"], each["user_id"]) for each in self.sandbox.records())


@pytest.fixture
def shop(tmp_path):
    with Sandbox() as sandbox:
        yield Shop(tmp_path, sandbox)


def all_of(count):
    users = [f"u{n}" for n in range(1, count + 1)]
    return sorted((name, user) for name in ("product_detail_page_view", "like") for user in users)


def test_another_mapping_stops_without_a_pass_of_its_own(shop):
    shop.upload("views.toml")

    assert shop.upload("likes.toml").exit_code == 2


def test_a_pass_sends_other_records_of_the_same_rows(shop):
    shop.upload("views.toml")

    second = shop.upload("likes.toml", "likes")

    assert (second.exit_code, second.totals.accepted) == (0, 3)
    assert shop.held() == all_of(3)


def test_each_pass_is_resumed_on_its_own(shop):
    for count in (3, 5):
        shop.rows(count)
        shop.upload("views.toml")
        second = shop.upload("likes.toml", "likes")

    again = [shop.upload("views.toml"), shop.upload("likes.toml", "likes")]

    assert (second.before.accepted, second.totals.accepted) == (3, 5)
    assert [each.requests for each in again] == [0, 0]
    assert shop.held() == all_of(5)


def test_a_renamed_file_resumes_the_pass_that_it_was_read_in(shop):
    shop.upload("views.toml")
    shop.upload("likes.toml", "likes")
    shop.file = shop.file.rename(shop.path / "visits.1.csv")

    again = [shop.upload("likes.toml", "likes"), shop.upload("views.toml")]

    assert [each.requests for each in again] == [0, 0]
    assert [each.totals.rows for each in again] == [3, 3]


def test_records_that_another_pass_has_sent_are_not_sent_again(shop):
    shop.upload("views.toml")

    second = shop.upload("views.toml", "again")

    assert (second.totals.already_sent, second.requests) == (3, 0)


def test_rejects_of_passes_are_in_files_of_their_own(shop):
    shop.file.write_text("at,who,seen,liked\nnever,u1,s1,l1\n")

    first = shop.upload("views.toml")
    second = shop.upload("likes.toml", "likes")

    files = [each.sources[0].rejects_file for each in (first, second)]
    assert len(set(files)) == 2
    assert [len(Path(file).read_text().splitlines()) for file in files] == [1, 1]
    lines = list(rejections_again(shop.path / "state", str(shop.file), ReadingOptions()))
    assert [json.loads(line)["line"] for line in lines] == [2, 2]


def test_status_lists_the_passes_of_a_file(shop, golden):
    shop.upload("views.toml")
    shop.upload("likes.toml", "likes")

    (target,) = statuses(shop.path / "state", [str(shop.file)], ReadingOptions())

    assert [each.name for each in target.sources] == golden
    assert [each.totals.accepted for each in target.sources] == [3, 3]


@pytest.mark.parametrize("name", ["a b", "a/b", "ä", "x" * 65, "\n"])
def test_a_name_that_no_file_should_have_is_refused(shop, name):
    with pytest.raises(Exception, match=r"pass[-_]name"):
        shop.upload("views.toml", name)
