"""Defines the base class of formats that change what another format reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records import Block, Slice
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.base import Cut, Format, Limits, Tail


@dataclass(frozen=True)
class WrappingFormat:
    """A format that behaves like another one, except for what a subclass overrides.

    Attributes:
        rows: The other format.
    """

    rows: Format

    @property
    def name(self) -> str:
        """See `Format.name`."""
        return self.rows.name

    @property
    def columns(self) -> tuple[str, ...] | None:
        """See `Format.columns`."""
        return self.rows.columns

    @property
    def repeated(self) -> tuple[str, ...]:
        """See `Format.repeated`."""
        return self.rows.repeated

    @property
    def preset(self) -> str | None:
        """See `Format.preset`."""
        return self.rows.preset

    @property
    def remark(self) -> str:
        """See `Format.remark`."""
        return self.rows.remark

    @property
    def by_line(self) -> bool:
        """See `Format.by_line`."""
        return self.rows.by_line

    @property
    def comma_ends_row(self) -> bool:
        """See `Format.comma_ends_row`."""
        return self.rows.comma_ends_row

    @property
    def has_directives(self) -> bool:
        """See `Format.has_directives`."""
        return self.rows.has_directives

    @property
    def skips_directives(self) -> bool:
        """See `Format.skips_directives`."""
        return self.rows.skips_directives

    def directive(self, data: bytes) -> bytes:
        """See `Format.directive`."""
        return self.rows.directive(data)

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`."""
        return self.rows.cut(data, limits, tail)

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`."""
        return self.rows.ends_well(rest)

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """See `Format.texts`."""
        return self.rows.texts(block, lines)

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """See `Format.slices`."""
        return self.rows.slices(block, is_record)
