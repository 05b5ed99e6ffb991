"""The outcome of each row that was mapped with others."""

from miso_upload.transform.mapping import Mapped


def outcomes_of(mapped):
    """Return what `Mapper.map_row` would have returned of each row that was mapped with others."""
    return [
        mapped.not_mapped[i] if i in mapped.not_mapped else Mapped(record, derived)
        for i, (record, derived) in enumerate(zip(mapped.records, mapped.derived, strict=True))
    ]
