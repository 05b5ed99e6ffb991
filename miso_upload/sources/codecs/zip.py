"""Reads the file in a zip archive that contains exactly one file."""

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
    from miso_upload.sources.codecs.charset import ByteReader

_CONTAINER = "zip archive"
_NAMED = 3
_LONGEST_REASON = 100
_ENCRYPTED = 1
_OFFICE = "[Content_Types].xml"
# If the checksum is wrong, the library discards the piece before it, so pieces are small.
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


class ZipReader:
    """Reads the contents of the only file in a zip archive.

    Args:
        file: The archive. It must be seekable, because its directory is at the end.
        quoted: The archive's name for suggested commands, quoted for a shell.

    Raises:
        ContainerError: The archive does not contain exactly one file that can be decompressed, or
            it is damaged. `read1` raises it too.
    """

    def __init__(self, file: IO[bytes], quoted: str) -> None:
        try:
            archive = zipfile.ZipFile(file)
            member = _only_member(archive, quoted)
            self._file: ByteReader = bounded_member(file, member) or cast(
                "zipfile.ZipExtFile", archive.open(member)
            )
        except _BROKEN as error:
            raise DamageError(_CONTAINER, _lowered(error)) from None
        except NotImplementedError:
            raise ContainerError(
                "the zip archive uses a compression method that miso-upload does not support; "
                f"decompress it yourself: unzip -p {quoted} | miso-upload -"
            ) from None

    def read1(self, size: int) -> bytes:
        """See `ByteReader.read1`."""
        try:
            return self._file.read1(min(size, _MOST_AT_ONCE))
        except (*_BROKEN, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the error is the disk's, not the archive's
            raise DamageError(_CONTAINER, _lowered(error)) from None


def _only_member(archive: zipfile.ZipFile, quoted: str) -> zipfile.ZipInfo:
    members = [each for each in archive.infolist() if not _is_ignored(each)]
    if not members:
        raise ContainerError("the zip archive contains no file")
    if any(each.filename == _OFFICE for each in members):
        raise ContainerError("this is an office document; save its table as CSV")
    if len(members) > 1:
        names = ", ".join(printable(each.filename) for each in members[:_NAMED])
        more = f" and {len(members) - _NAMED:,} more" if len(members) > _NAMED else ""
        first = shlex.quote(printable(members[0].filename))
        raise ContainerError(
            f"the zip archive contains {len(members):,} files ({names}{more}); extract them and "
            f"name the files to upload, or upload one: unzip -p {quoted} {first} | miso-upload -"
        )
    if members[0].flag_bits & _ENCRYPTED:
        raise ContainerError(
            f"the zip archive is encrypted; extract it with its password first: unzip {quoted}"
        )
    return members[0]


def _is_ignored(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is a directory or a metadata file of macOS."""
    name = member.filename
    return name.endswith(("/", ".DS_Store")) or name.startswith("__MACOSX/")


def _lowered(error: Exception) -> str:
    text = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, zipfile.BadZipFile) and "not a zip" in text:
        return "the directory at its end is missing, so it was probably cut off"
    # The library's message may quote text from the archive.
    return printable(text, _LONGEST_REASON)
