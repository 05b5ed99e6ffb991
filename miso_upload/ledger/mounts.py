"""Detects network file systems, on which SQLite's write-ahead log is not safe.

It reads `/proc/self/mountinfo` on Linux, and the output of `mount` on macOS and the BSDs. On
Windows it detects only UNC paths, not network drives with a letter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

NETWORK_TYPES = frozenset(
    (
        "9p",
        "acfs",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "cvfs",
        "fhgfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "mmfs",
        "ncp",
        "ncpfs",
        "nfs",
        "nfs3",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "webdav",
        "wekafs",
    )
)
"""File systems that other machines can use at the same time, or that are on another machine."""
# Compiled on use, because most machines do not need them.
_NETWORK_FUSE = (
    r"fuse\.(sshfs|s3fs|gcsfuse|goofys|mount-s3|mountpoint-s3|blobfuse2?|rclone|curlftpfs|davfs2?|"
    r"ceph|ceph-fuse|glusterfs|juicefs|seaweedfs|smbnetfs|cvmfs2?|moosefs|mfs|lizardfs|nfs.*)"
)
_OCTAL = r"\\([0-7]{3})"
_MOUNT_LINE = r"^.* on (/.*) \((\w+)"


class Mount(NamedTuple):
    """A file system and where it is mounted."""

    point: str
    type: str

    @property
    def is_network(self) -> bool:
        """Whether it is a network file system."""
        if self.type == "9p" and self.point == "/":
            return False  # the root of a container in gVisor, or of some virtual machines
        if self.type in NETWORK_TYPES:
            return True
        return self.type.startswith("fuse.") and re.fullmatch(_NETWORK_FUSE, self.type) is not None


def read_mountinfo(text: str) -> list[Mount]:
    """Return the mounts in the text of `/proc/self/mountinfo`, latest last."""
    mounts = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, type_and_more = before.split(" "), after.split(" ")
        if len(fields) > 4 and type_and_more[0]:  # noqa: PLR2004 -- the fifth is the mount point
            mounts.append(Mount(_unescaped(fields[4]), type_and_more[0]))
    return mounts


def read_mount_output(text: str) -> list[Mount]:
    """Return the mounts in the output of `mount` on macOS and the BSDs."""
    found = filter(None, (re.match(_MOUNT_LINE, line) for line in text.splitlines()))
    return [Mount(match[1], match[2]) for match in found]


def mount_of(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount of an absolute path without links; the path need not exist.

    If several mounts have the same point, the last one hides the others.
    """
    best: Mount | None = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def network_mount(directory: Path) -> Mount | None:
    """Return the network file system of a directory, which need not exist yet.

    Returns:
        None if the file system is local or cannot be detected.
    """
    try:
        path = os.path.realpath(directory)
        if sys.platform == "win32":
            found = Mount(path, "UNC") if path.startswith("\\\\") else None
        else:
            mount = mount_of(path, _mounts())
            found = mount if mount is not None and mount.is_network else None
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return found


def _mounts() -> list[Mount]:
    file = Path("/proc/self/mountinfo")
    if file.exists():
        return read_mountinfo(file.read_text(encoding="utf-8", errors="surrogateescape"))
    done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False, timeout=5)
    return read_mount_output(done.stdout)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(_OCTAL, lambda match: chr(int(match[1], 8)), text)
