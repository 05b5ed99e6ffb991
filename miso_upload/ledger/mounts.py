"""Which file system a directory is on: SQLite's write-ahead log is not safe on one of a network.

Told on Linux by `/proc/self/mountinfo`, on macOS and the BSDs by the output of `mount`, and on
Windows by a UNC path only (a network drive with a letter is not noticed).
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
"""Types in which another machine can have the same files open, or stands behind them."""
# Compiled where they are needed, which on most machines they are not.
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
        """Whether it is one of a network."""
        if self.type == "9p" and self.point == "/":
            return False  # a container's own root, in gVisor and some virtual machines
        if self.type in NETWORK_TYPES:
            return True
        return self.type.startswith("fuse.") and re.fullmatch(_NETWORK_FUSE, self.type) is not None


def read_mountinfo(text: str) -> list[Mount]:
    """Return the mounts that the text of `/proc/self/mountinfo` lists, the latest last."""
    mounts = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, type_and_more = before.split(" "), after.split(" ")
        if len(fields) > 4 and type_and_more[0]:  # noqa: PLR2004 -- the fifth is the mount point
            mounts.append(Mount(_unescaped(fields[4]), type_and_more[0]))
    return mounts


def read_mount_output(text: str) -> list[Mount]:
    """Return the mounts that `mount` prints on macOS and the BSDs."""
    found = filter(None, (re.match(_MOUNT_LINE, line) for line in text.splitlines()))
    return [Mount(match[1], match[2]) for match in found]


def mount_of(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that an absolute path without links is on, whether or not it exists.

    Of several mounts on one point, the last hides the others.
    """
    best: Mount | None = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def network_mount(directory: Path) -> Mount | None:
    """Return the network file system that a directory is on, or would be; None if it is local.

    None too where this system does not say.
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
