"""Which preset rows look as if it were made for."""

from pathlib import Path

import pytest

from miso_upload.sources import ReadingOptions, Source
from miso_upload.transform.mapping import detect_preset, preset_names, read_preset

SPECIMENS = Path(__file__).parent / "specimens"
HEADERLESS = [name for name in preset_names() if "columns" in read_preset(name).options]
OF_ROWS = [name for name in preset_names() if name not in ("web-log", *HEADERLESS)]
"""A log is known by its format, and has no type that a preset could name."""


def rows_of(name):
    (path,) = SPECIMENS.glob(f"{name}.*")
    with Source(str(path), ReadingOptions()) as source:
        (block,) = source.blocks(source.body_start, source.body_line)
        return [row for part in source.format.slices(block) for row in part.rows]


@pytest.mark.parametrize("name", OF_ROWS)
def test_the_export_that_a_preset_is_for_fits_it_and_no_other(name):
    assert detect_preset(rows_of(name)) == name


@pytest.mark.parametrize("name", HEADERLESS)
def test_a_header_with_the_names_that_a_preset_gave_is_not_its_export(name):
    columns = read_preset(name).options["columns"]

    assert detect_preset([dict.fromkeys(columns, "2025-01-01T00:00:00Z")]) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"type": "search", "timestamp": "2025-01-01T00:00:00Z", "user_id": "u"},
        {"event": "Viewed", "timestamp": "2025-01-01T00:00:00Z", "context": {}},
        {"event_time": "2025-01-01", "event_type": "view"},
    ],
    ids=["nothing", "Miso's own", "any events", "too few columns"],
)
def test_rows_of_no_vendor_fit_no_preset(row):
    assert detect_preset([row]) is None
