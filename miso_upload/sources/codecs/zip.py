"""A zip archive that holds one file, unpacked."""

from __future__ import annotations

import lzma
import shlex
import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, cast

from miso_upload.sources.codecs.base import ContainerError, DamageError
from miso_upload.sources.codecs.zip_members import bounded_member
from miso_upload.values.display import printable

if TYPE_CHECKING:
    from miso_upload.sources.codecs.charset import Reads

_CONTAINER = "zip archive"
_NAMED = 3
_MOST_SAID = 100
_ENCRYPTED = 1
_OFFICE = "[Content_Types].xml"
# What a checksum at the end finds wrong is thrown away with the piece that it ends.
_MOST_AT_ONCE = 2**15
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
)


class Unzip:
    """The contents of the one file in a zip archive.

    Args:
        file: The archive, which must be sought in: what is in it stands at its end.
        quoted: What a command line calls the archive, for advice.

    Raises:
        ContainerError: The archive does not hold one file that can be unpacked. When read: it is
            damaged.
    """

    def __init__(self, file: IO[bytes], quoted: str) -> None:
        try:
            archive = zipfile.ZipFile(file)
            member = _only_member(archive, quoted)
            self._file: Reads = bounded_member(file, member) or cast(
                "zipfile.ZipExtFile", archive.open(member)
            )
        except _BROKEN as error:
            raise DamageError(_CONTAINER, _lowered(error)) from None
        except NotImplementedError:
            raise ContainerError(
                "the zip archive is packed in a way that is not read here; unpack it yourself, as "
                f"in: unzip -p {quoted} | miso-upload -"
            ) from None

    def read1(self, size: int) -> bytes:
        """See `Reads.read1`."""
        try:
            return self._file.read1(min(size, _MOST_AT_ONCE))
        except (*_BROKEN, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk, and not the archive
            raise DamageError(_CONTAINER, _lowered(error)) from None


def _only_member(archive: zipfile.ZipFile, quoted: str) -> zipfile.ZipInfo:
    members = [each for each in archive.infolist() if not _is_beside_the_point(each)]
    if not members:
        raise ContainerError("the zip archive holds no file")
    if any(each.filename == _OFFICE for each in members):
        raise ContainerError("is an office document; save the table that it holds as CSV")
    if len(members) > 1:
        names = ", ".join(printable(each.filename) for each in members[:_NAMED])
        more = f" and {len(members) - _NAMED:,} more" if len(members) > _NAMED else ""
        first = shlex.quote(printable(members[0].filename))
        raise ContainerError(
            f"the zip archive holds {len(members):,} files ({names}{more}); unpack them and name "
            f"those you mean, or send one: unzip -p {quoted} {first} | miso-upload -"
        )
    if members[0].flag_bits & _ENCRYPTED:
        raise ContainerError(
            "the zip archive is encrypted; unpack it with its password first, as in: "
            f"unzip {quoted}"
        )
    return members[0]


def _is_beside_the_point(member: zipfile.ZipInfo) -> bool:
    """Whether it is a directory, or what a Mac puts beside each file."""
    name = member.filename
    return name.endswith(("/", ".DS_Store")) or name.startswith("__MACOSX/")


def _lowered(error: Exception) -> str:
    text = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, zipfile.BadZipFile) and "not a zip" in text:
        return "the directory at its end is missing, as if it was cut off"
    return printable(text, _MOST_SAID)  # the library's words, and in them what the archive says
