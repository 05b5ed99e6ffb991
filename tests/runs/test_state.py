"""One target, one ledger, one lock; copies of ledgers; the program in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from miso_upload import Settings
from miso_upload.errors import IncompleteLedgerError, LockedError, NewKeyError
from miso_upload.ledger import Ledger
from miso_upload.ledger.lock import Locked
from miso_upload.ledger.secret import FILE_NAME
from miso_upload.ledger.state_directory import existing_ledger, ledger_paths, open_target
from miso_upload.ledger.targets import key_fingerprint, ledger_name, server_identity
from miso_upload.sandbox import Faults, Sandbox
from tests.helpers.processes import run_program, started_program
from tests.helpers.rows import row, write_rows

KEY = "sandbox"


@pytest.fixture
def sandbox():
    with Sandbox(key=KEY) as running:
        yield running


class Desk:
    """A history and uploads of it, each in a process of its own."""

    def __init__(self, place, sandbox):
        self.place, self.sandbox = place, sandbox
        self.state = place / "state"
        self.history = place / "history.jsonl"
        self.rows(3)

    def rows(self, count):
        """Let the history have so many rows."""
        write_rows(self.history, map(row, range(1, count + 1)))

    def server_takes(self, key):
        """Let the server know another key from now on."""
        self.sandbox._endpoint._key = key.encode()

    def environment(self, key):
        """Return the environment of the program."""
        return {**os.environ, "MISO_API_KEY": key, "MISO_UPLOAD_STATE_DIR": str(self.state)}

    def run(self, *args, key=KEY, code=0):
        """Run the program to its end, with this exit code."""
        done = run_program(
            *args, env=self.environment(key), cwd=self.place, stdin=subprocess.DEVNULL
        )
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done

    def upload(self, *options, server=None, **more):
        """Upload the history."""
        return self.run(self.history, "--server", server or self.sandbox.url, *options, **more)

    def killed(self, *options):
        """Kill an upload whose first chunk has arrived and whose others are in flight."""
        self.sandbox.faults = Faults(latency=60)
        with started_program(
            *(self.history, "--server", self.sandbox.url, "--chunk-size", 1, *options),
            env=self.environment(KEY),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ):
            while not list(self.sandbox.records()):
                time.sleep(0.01)
        self.sandbox.faults = Faults()
        held: list[str] = []
        while held != (held := self.arrived()):
            # The server may still store what was in flight.
            time.sleep(0.3)

    @property
    def ledger(self):
        """The only ledger there is."""
        (path,) = ledger_paths(self.state)
        return path

    def copied_state(self, *suffixes):
        """Copy the ledger's files with these suffixes, and the secret, to another directory."""
        copy = self.place / "elsewhere"
        copy.mkdir()
        for path in (self.state / FILE_NAME, *(f"{self.ledger}{suffix}" for suffix in suffixes)):
            shutil.copy(path, copy)
        return copy

    def arrived(self):
        """Return whose rows the server has."""
        return sorted(record["user_id"] for record in self.sandbox.records())


@pytest.fixture
def desk(tmp_path, sandbox):
    return Desk(tmp_path, sandbox)


def users(*numbers):
    return [f"user-{number}" for number in numbers]


# -- which ledger ----------------------------------------------------------------------------------


def test_a_server_has_one_ledger_however_it_is_spelled(desk):
    port = desk.sandbox.url.rpartition(":")[2]
    for server in ("127.0.0.1", "LOCALHOST", "localhost"):
        desk.upload(server=f"http://{server}:{port}/")

    assert desk.arrived() == users(1, 2, 3)
    assert desk.ledger.exists()


def test_the_first_upload_says_that_it_is_the_first_and_no_other_does(desk, golden):
    first = desk.upload("--target", "production")

    assert first.stderr == golden
    assert desk.upload("--target", "production").stderr == ""


def test_a_key_of_another_environment_sends_nothing(desk, golden):
    desk.upload("--target", "production")
    desk.rows(5)

    done = desk.upload("--target", "production", key="another-key", code=2)

    assert done.stderr == golden
    assert desk.arrived() == users(1, 2, 3)


def test_a_rotated_key_without_a_target_stops_and_its_own_advice_works(desk, golden):
    desk.upload()
    desk.rows(5)
    desk.server_takes("rotated-key")
    stopped = desk.upload(key="rotated-key", code=2)
    assert stopped.stderr == golden
    assert desk.arrived() == users(1, 2, 3)

    desk.upload("--target", "production", "--rotated-key", key="rotated-key")
    desk.upload("--target", "production", key="rotated-key")
    desk.upload(key="rotated-key")

    assert desk.arrived() == users(1, 2, 3, 4, 5)
    assert desk.ledger.exists()


def test_a_target_without_a_name_is_taken_over_by_the_first_name_that_its_key_comes_with(
    desk, golden
):
    desk.upload()

    named = desk.upload("--target", "production")

    assert named.stderr == golden
    assert desk.arrived() == users(1, 2, 3)
    assert "production" in desk.ledger.name


def test_a_new_target_may_stay_in_the_command(desk):
    desk.upload(key="elsewhere", code=4)
    desk.upload("--target", "production")
    desk.server_takes("key-of-staging")
    for _ in range(2):
        desk.upload("--new-target", "staging", key="key-of-staging")

    assert desk.arrived() == users(1, 1, 2, 2, 3, 3)
    assert len(ledger_paths(desk.state)) == 2


def settings(tmp_path, key=KEY, **options):
    given = Settings.of(api_key=key, state_dir=tmp_path / "state", **options)
    return given.resume, given.delivery.server, given.delivery.api_key


def opened(given, ask=None):
    with ExitStack() as stack:
        return open_target(*given, stack, ask)


def sent_with(given):
    """Note that Miso has something of a target."""
    opened(given)
    path = existing_ledger(*given)
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "INSERT INTO spans (scan_id, start, end, first_line, line_count, checksum, state, rows,"
            " accepted, run_id, changed_at) VALUES (1, 0, 1, 1, 1, x'00', 'settled', 1, 1, 1, '')"
        )
        db.commit()
    return path


@pytest.mark.parametrize(
    ("answer", "name", "count"), [("shop", "shop", 1), ("staging", "staging", 2)]
)
def test_who_is_asked_names_a_known_target_or_a_new_one(tmp_path, answer, name, count):
    sent_with(settings(tmp_path, target="shop"))
    asked = []

    target = opened(settings(tmp_path, "new-key"), lambda error: asked.append(error) or answer)

    assert target.name == name
    assert asked[0].names == ("shop",)
    assert len(ledger_paths(tmp_path / "state")) == count
    assert opened(settings(tmp_path, "new-key")).name == name


def test_who_gives_no_answer_stops_the_run(tmp_path):
    sent_with(settings(tmp_path, target="shop"))

    with pytest.raises(NewKeyError):
        opened(settings(tmp_path, "new-key"), lambda error: None)


def test_to_look_for_a_ledger_makes_none_and_refuses_nothing(tmp_path):
    for given in ({}, {"server": "nonsense"}, {"target": "a"}):
        assert existing_ledger(*settings(tmp_path, **given)) is None
    assert not (tmp_path / "state").exists()

    path = sent_with(settings(tmp_path))

    (tmp_path / "state" / "odd.ledger").write_text("not a ledger")
    for given in ({}, {"target": "named-now"}):
        assert existing_ledger(*settings(tmp_path, **given)) == path
    assert existing_ledger(*settings(tmp_path, key="")) is None
    assert existing_ledger(*settings(tmp_path, key="another")) is None


# -- version 0.1 -----------------------------------------------------------------------------------


def as_version_0_1(path, name, server):
    """Give a ledger the file name and the label that version 0.1 gave it."""
    host = server.partition("://")[2].rstrip("/")
    slug = "".join(char if char.isalnum() or char in ".-_" else "_" for char in f"{host}-{name}")
    old = path.with_name(f"{slug}.ledger")
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM about WHERE name NOT IN ('server', 'target')")
        db.execute("UPDATE about SET value = ? WHERE name = 'server'", (server,))
        db.execute("UPDATE about SET value = ? WHERE name = 'target'", (name,))
        db.commit()
    path.rename(old)
    path.with_name(f"{path.name}.lock").unlink()
    return old


@pytest.mark.parametrize("target", [None, "production", "a/b"])
def test_a_ledger_of_version_0_1_goes_on_under_its_new_name(desk, target):
    options = ("--target", target) if target else ()
    desk.upload(*options)
    name = target or f"key-{key_fingerprint(KEY)}"
    old = as_version_0_1(desk.ledger, name, f"{desk.sandbox.url}/")
    desk.rows(5)

    desk.upload(*options)

    assert desk.arrived() == users(1, 2, 3, 4, 5)
    assert desk.ledger.name == ledger_name(server_identity(desk.sandbox.url), name)
    assert not old.exists()
    assert [path for path in desk.state.iterdir() if path.name.startswith(old.name)] == []
    desk.upload(*options, key="another-key", code=2)


def test_a_ledger_that_version_0_1_is_at_work_on_is_left_alone(desk):
    desk.upload()
    old = as_version_0_1(desk.ledger, f"key-{key_fingerprint(KEY)}", desk.sandbox.url)

    with Locked(old):
        desk.upload(code=5)

    assert desk.ledger == old
    desk.upload()
    assert desk.arrived() == users(1, 2, 3)


def test_a_ledger_that_somebody_looks_into_is_used_where_it_is(desk):
    desk.upload()
    old = as_version_0_1(desk.ledger, f"key-{key_fingerprint(KEY)}", desk.sandbox.url)
    desk.rows(5)

    with closing(sqlite3.connect(old)) as looking:
        looking.execute("SELECT count(*) FROM spans").fetchone()
        desk.upload()
        assert desk.ledger == old

    desk.upload()
    assert desk.ledger != old
    assert desk.arrived() == users(1, 2, 3, 4, 5)


def test_the_ledger_of_a_killed_run_moves_with_what_its_wal_holds(desk):
    desk.killed()
    old = as_version_0_1_with_wal(desk.ledger)

    done = desk.upload("--on-unknown", "hold", code=1)

    assert "--on-unknown resend" in done.stdout  # for what nobody knows of
    assert not old.exists()
    assert desk.ledger.exists()


def as_version_0_1_with_wal(path):
    old = path.with_name("as-it-was-called.ledger")
    for suffix in ("-wal", ""):
        path.with_name(path.name + suffix).rename(f"{old}{suffix}")
    for suffix in ("-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return old


# -- many at once ----------------------------------------------------------------------------------


def test_of_first_runs_at_once_under_two_names_one_makes_the_ledger(desk):
    """With one key: one of them finds the target of the other."""
    commands = [[], ["--target", "production"]] * 3
    desk.sandbox.faults = Faults(latency=0.5)
    with ExitStack() as stack:
        runs = [
            stack.enter_context(
                started_program(
                    *(desk.history, "--server", desk.sandbox.url, *options),
                    env=desk.environment(KEY),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for options in commands
        ]
        ends = [(run.communicate()[1], run.returncode) for run in runs]

    assert {code for _, code in ends} <= {0, 5}, ends
    assert desk.arrived() == users(1, 2, 3)
    assert desk.ledger.exists()


# -- copies ----------------------------------------------------------------------------------------


def test_after_a_run_the_ledger_is_one_file(desk):
    desk.upload()

    assert {path.name.removeprefix(desk.ledger.name) for path in desk.state.iterdir()} == {
        "", ".lock", "targets.lock", "content.key",
    }  # fmt: skip


def test_a_copy_of_it_goes_on_elsewhere(desk):
    desk.upload()
    desk.rows(5)
    copy = desk.copied_state("")

    desk.upload("--state-dir", copy)

    assert desk.arrived() == users(1, 2, 3, 4, 5)


def test_a_copy_without_the_secret_sends_nothing_and_says_how_to_copy_it(desk, golden):
    desk.upload()
    desk.rows(5)
    copy = desk.copied_state("")
    (copy / FILE_NAME).unlink()

    refused = desk.upload("--state-dir", copy, code=3)

    assert refused.stderr == golden
    assert desk.arrived() == users(1, 2, 3)


needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a matter of POSIX")


@needs_kill
@pytest.mark.parametrize("look", [False, True])
def test_a_copy_without_its_wal_is_noticed_and_nothing_is_sent(desk, look, golden):
    desk.killed()
    before = desk.arrived()
    copy = desk.copied_state("")
    if look:
        desk.run("status", "--state-dir", copy)

    for _ in range(2):
        done = desk.upload("--state-dir", copy, code=2)

    assert done.stderr == golden
    assert f"{desk.ledger.name}-wal" in done.stderr
    assert desk.arrived() == before
    desk.run("ledger", "export", "x.tar", "--state-dir", copy, code=2)

    (path,) = ledger_paths(copy)
    assert desk.run("ledger", "repair", path).stdout == golden
    assert desk.run("ledger", "repair", path).stdout == golden
    desk.upload("--state-dir", copy)


@needs_kill
@pytest.mark.parametrize("looks", [0, 2])
def test_after_a_kill_all_is_well_also_if_somebody_looked(desk, looks):
    desk.killed()
    assert Path(f"{desk.ledger}-wal").exists()
    for _ in range(looks):
        assert json.loads(desk.run("status", "--json").stdout)[0]["totals"]["unknown"] > 0

    desk.upload()

    assert set(desk.arrived()) == set(users(1, 2, 3))
    assert not Path(f"{desk.ledger}-wal").exists()


@needs_kill
def test_a_copy_with_its_wal_is_whole(desk):
    desk.killed()
    copy = desk.copied_state("", "-wal")

    done = desk.upload("--state-dir", copy, "--on-unknown", "hold", code=1)

    assert "--on-unknown resend" in done.stdout  # for what nobody knows of


def test_a_mark_that_cannot_be_removed_leaves_a_wal_beside_it(tmp_path, monkeypatch):
    """As on a disk that is full: what is in the file is whole, and must be believed."""
    path = tmp_path / "miso.ledger"
    ledger = Ledger(path, {})
    ledger.begin_work({})
    monkeypatch.setattr(type(ledger._db), "_end_work", lambda self: None)
    ledger.close()

    again = Ledger(path)
    again.begin_work({})
    again.close()

    assert Path(f"{path}-wal").exists()
    Path(f"{path}-wal").unlink()
    lost = Ledger(path)
    with pytest.raises(IncompleteLedgerError):
        lost.begin_work({})
    lost.close()


# -- export and import -----------------------------------------------------------------------------


@pytest.fixture
def exported(desk):
    """Return the export of a ledger with a secret beside it."""
    desk.upload("--target", "production")
    file = desk.place / "ledger.tar"
    desk.run("ledger", "export", file)
    return file


def test_an_export_says_that_it_holds_the_secret(desk, golden):
    desk.upload("--target", "production")

    assert desk.run("ledger", "export", desk.place / "ledger.tar").stdout == golden


def test_an_export_goes_on_on_another_machine(desk, exported):
    there = desk.place / "there"
    desk.run("ledger", "import", exported, "--state-dir", there)
    desk.rows(5)

    desk.upload("--target", "production", "--state-dir", there)

    assert desk.arrived() == users(1, 2, 3, 4, 5)
    assert (there / FILE_NAME).read_bytes() == (desk.state / FILE_NAME).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
def test_an_export_and_what_is_imported_are_for_their_owner_alone(desk, exported):
    there = desk.place / "there"
    desk.run("ledger", "import", exported, "--state-dir", there)

    made = [exported, there, *there.iterdir()]
    assert [path for path in made if path.stat().st_mode & 0o077] == []
    with tarfile.open(exported) as archive:
        assert {member.mode for member in archive} == {0o600}


def test_an_export_names_its_target_and_versions_and_never_the_key(desk, exported):
    with tarfile.open(exported) as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile("manifest.json"))

    assert names == ["manifest.json", "ledger.sqlite", "content.key"]
    assert (manifest["format"], manifest["target"]) == (1, "production")
    assert set(manifest["sha256"]) == {"ledger.sqlite", "content.key"}


def test_to_import_again_changes_nothing(desk, exported, golden):
    before = desk.ledger.read_bytes()

    assert desk.run("ledger", "import", exported).stdout == golden
    assert desk.ledger.read_bytes() == before


def test_another_ledger_of_the_target_is_kept_unless_it_is_to_be_replaced(desk, exported, golden):
    desk.rows(5)
    desk.upload("--target", "production")
    before = desk.ledger.read_bytes()

    refused = desk.run("ledger", "import", exported, code=2)

    assert refused.stderr == golden
    assert str(desk.ledger) in refused.stderr
    assert desk.ledger.read_bytes() == before
    desk.run("ledger", "import", exported, "--replace")
    (aside,) = desk.state.glob("*.replaced-*")
    assert aside.read_bytes() == before
    desk.upload("--target", "production")
    assert desk.arrived() == users(1, 2, 3, 4, 4, 5, 5)


def test_a_state_directory_with_another_secret_is_left_as_it_is(desk, exported):
    there = desk.place / "there"
    there.mkdir()
    (there / FILE_NAME).write_bytes(bytes(32))

    refused = desk.run("ledger", "import", exported, "--state-dir", there, code=2)

    assert str(there / FILE_NAME) in refused.stderr
    assert ledger_paths(there) == []


def test_a_run_at_work_is_neither_exported_nor_replaced(desk, exported):
    with Locked(desk.ledger):
        desk.run("ledger", "export", "other.tar", code=5)
        desk.run("ledger", "import", exported, "--replace", code=5)


def test_an_export_overwrites_no_file(desk, exported, golden):
    before = exported.read_bytes()

    assert desk.run("ledger", "export", exported, code=2).stderr == golden
    assert exported.read_bytes() == before


def test_a_damaged_export_is_noticed_wherever_it_is_damaged(desk, exported):
    whole = exported.read_bytes()
    there = desk.place / "there"
    for place in (3, 700, 1_600, len(whole) // 2, len(whole) - 10_240 + 512):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        exported.write_bytes(damaged)

        done = run_program(
            *("ledger", "import", exported, "--state-dir", there), env=desk.environment(KEY)
        )

        assert "Traceback" not in done.stderr
        assert (done.returncode, ledger_paths(there)) in ((2, []), (0, ledger_paths(there)))
        for path in ledger_paths(there):
            path.unlink()
    for junk in (b"", b"junk" * 1_000, whole[: len(whole) // 2]):
        exported.write_bytes(junk)
        desk.run("ledger", "import", exported, "--state-dir", there, code=2)
    assert ledger_paths(there) == []


def test_of_several_ledgers_one_has_to_be_named(desk, exported, golden):
    desk.server_takes("key-of-staging")
    desk.upload("--new-target", "staging", key="key-of-staging")

    refused = desk.run("ledger", "export", "all.tar", code=2)

    assert refused.stderr == golden
    desk.run("ledger", "export", "staging.tar", "--target", "staging")


def test_a_key_keeps_its_one_target_when_a_ledger_is_imported(desk, exported, golden):
    there = desk.place / "there"
    there.mkdir()
    shutil.copy(desk.state / FILE_NAME, there)
    desk.upload("--target", "shop", "--state-dir", there)

    refused = desk.run("ledger", "import", exported, "--state-dir", there, code=2)

    assert refused.stderr == golden


def test_two_runs_have_one_lock(tmp_path):
    with ExitStack() as stack:
        open_target(*settings(tmp_path), stack)
        with pytest.raises(LockedError):
            opened(settings(tmp_path))
