"""A state directory on a network file system is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

from miso_upload.errors import ConfigurationError
from miso_upload.ledger import mounts
from miso_upload.ledger import state_directory as state
from miso_upload.ledger.mounts import (
    Mount,
    mount_of,
    network_mount,
    read_mount_output,
    read_mountinfo,
)

MOUNTINFO = r"""
21 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:40 / /home rw,relatime shared:2 - nfs4 nas:/home rw,vers=4.2,addr=10.0.0.9
31 30 0:41 / /home/local rw - tmpfs tmpfs rw
32 21 0:42 / /mnt/my\040share rw master:3 propagate_from:2 - cifs //nas/share rw
33 21 0:43 / /mnt/over rw - ext4 /dev/vdb rw
34 33 0:44 / /mnt/over rw - fuse.sshfs me@host: rw
35 21 0:45 / /mnt/disk rw - fuseblk /dev/sdb1 rw
36 21 0:46 / /mnt/c rw - 9p drvfs rw
""".strip()
MOUNT_OUTPUT = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)
//me@nas._smb._tcp.local/home on /Volumes/my home (smbfs, nodev, nosuid, mounted by me)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
nas:/export on /Volumes/nfs (nfs, nodev, nosuid)
"""


@pytest.mark.parametrize(
    ("path", "type_", "network"),
    [
        ("/var/lib/miso-upload", "ext4", False),
        ("/home/me/.local/state/miso-upload", "nfs4", True),
        ("/home", "nfs4", True),
        ("/homes", "ext4", False),
        ("/home/local/state", "tmpfs", False),
        ("/mnt/my share/state", "cifs", True),
        ("/mnt/over/state", "fuse.sshfs", True),
        ("/mnt/disk/state", "fuseblk", False),
        ("/mnt/c/Users", "9p", True),
    ],
)
def test_mountinfo_tells_what_a_directory_is_on(path, type_, network):
    mount = mount_of(path, read_mountinfo(MOUNTINFO))

    assert (mount.type, mount.is_network) == (type_, network)


@pytest.mark.parametrize(
    ("path", "type_", "network"),
    [("/Users/me", "apfs", False), ("/Volumes/my home/x", "smbfs", True),
     ("/Volumes/nfs", "nfs", True)],
)  # fmt: skip
def test_the_output_of_mount_tells_it_on_macos(path, type_, network):
    mount = mount_of(path, read_mount_output(MOUNT_OUTPUT))

    assert (mount.type, mount.is_network) == (type_, network)


@pytest.mark.parametrize(
    "type_", ["nfs", "smb3", "ceph", "glusterfs", "lustre", "fuse.rclone", "afs"]
)
def test_file_systems_of_networks_are_known(type_):
    assert Mount("/mnt", type_).is_network


@pytest.mark.parametrize("type_", ["xfs", "btrfs", "zfs", "overlay", "apfs", "virtiofs", "fuse"])
def test_file_systems_of_a_machine_are_known(type_):
    assert not Mount("/mnt", type_).is_network


def test_the_root_of_a_container_is_its_own():
    assert not Mount("/", "9p").is_network


@pytest.mark.parametrize("text", ["", "nonsense", "1 2 3 - ", "\n\n", " - ext4"])
def test_a_list_that_says_nothing_tells_nothing(text):
    assert read_mountinfo(text) == read_mount_output(text) == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no such links")
def test_a_link_is_followed_and_the_directory_need_not_exist(tmp_path, monkeypatch):
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "link").symlink_to(share)
    monkeypatch.setattr(mounts, "_mounts", lambda: [Mount("/", "ext4"), Mount(f"{share}", "nfs")])

    assert network_mount(tmp_path / "link" / "not" / "there").type == "nfs"
    assert network_mount(tmp_path) is None


@pytest.mark.parametrize("error", [OSError, subprocess.TimeoutExpired("mount", 5)])
def test_where_nothing_can_be_known_nothing_is_refused(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(mounts, "_mounts", fail)

    assert network_mount(Path("/home")) is None


def test_such_a_state_directory_is_refused_with_the_way_out(monkeypatch, golden):
    monkeypatch.setattr(mounts, "_mounts", lambda: [Mount("/home", "nfs4")])

    with pytest.raises(ConfigurationError) as caught:
        state.refuse_network(Path("/home/me/state"))
    assert str(caught.value) == golden

    assert "--state-dir" in str(caught.value)
