"""Drafts a mapping for an access log, with a preset for visits and routes from the paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from miso_upload.drafting.carts import cart_requests
from miso_upload.drafting.column_choice import PRIVATE, example_of
from miso_upload.drafting.columns import columns_of
from miso_upload.drafting.draft import Draft, LeftOut, Offer
from miso_upload.drafting.routes import suggested_routes
from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapper, read_preset
from miso_upload.transform.mapping.paths import first_step, getter
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records.json_logs import LogColumns
    from miso_upload.transform.schema.schema import Schema

PRESET = "web-log"
_LOG_COLUMNS = frozenset({"method", "url", "status", "timestamp", "ip"})
"""The usual columns of a log; a line may lack some of them."""
_ENOUGH = 4
_WITHOUT_ZONE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?"
)
_USER, _COOKIE = "user", "cookie"


def is_log(rows: Sequence[object]) -> bool:
    """Return whether rows look like the lines of an access log."""
    first = [row for row in rows[:50] if isinstance(row, dict)]
    matching = sum(len(_LOG_COLUMNS & row.keys()) >= _ENOUGH for row in first)
    return bool(first) and {"url", "status"} <= set().union(*first) and 2 * matching > len(first)


def draft_of_log(
    rows: Sequence[object],
    schema: Schema,
    options: dict[str, Any],
    names: LogColumns | None = None,
) -> Draft:
    """Return a draft for rows of a log; never raises.

    Args:
        rows: The rows.
        schema: The types and their attributes.
        options: Options that are needed to read the file.
        names: The columns of a JSON access log.
    """
    columns = {} if names is None else names.columns
    preset = read_preset(PRESET).with_columns(columns)
    mapper = Mapper(preset.spec, schema, TimestampReader(), IdentityPolicy(), None)
    findings = Findings()
    for number, row in enumerate(rows):
        mapper.map_row(row, number, findings)
    found = suggested_routes(findings.unmatched_paths)
    draft = Draft(len(rows), options={"preset": PRESET, **options})
    draft.routes, draft.other_pages = found.routes, found.others
    used = mapper.reads
    draft.columns = dict(columns)
    present = set().union(*(row.keys() for row in rows if isinstance(row, dict)))
    draft.ignored = [name for name in names.ignored if name in present] if names else []
    draft.offers = list(_offers(present | columns.keys()))
    draft.carts = cart_requests(rows, columns)
    timestamp_of = getter(columns.get("timestamp", "timestamp"))
    draft.lacks_zone = "timezone" not in options and any(
        _lacks_zone(timestamp_of(row)) for row in rows if isinstance(row, dict)
    )
    if draft.lacks_zone:
        draft.missing.append(
            "the time zone of the log. Its rows are rejected until you fill in timezone."
        )
    draft.left_out = [
        LeftOut(
            column.path,
            PRIVATE if _is_private(column.path) else example_of(column),
            f"the preset {PRESET} does not use it",
        )
        for column in columns_of(rows[:1_000])
        if column.path not in used
        and column.values
        and first_step(column.path) not in {*draft.ignored, *preset.ignored}
    ]
    return draft


def _lacks_zone(timestamp: object) -> bool:
    return isinstance(timestamp, str) and _WITHOUT_ZONE.fullmatch(timestamp) is not None


def _offers(names: set[str]) -> list[Offer]:
    offers = []
    if "host" not in names:
        why = "The log has no host, so its paths are not complete URLs. Fill in the site's URL:"
        rule = {"column": "url", "base": "https://shop.example"}
        offers.append(Offer("context.page.url", rule, why))
    if _USER in names:
        why = "Some visitors signed in to the server. If their names are Miso's user_id:"
        offers.append(Offer("user_id", {"column": _USER}, why))
    if _COOKIE in names:
        why = "The log has cookies. A cookie that identifies visitors is better than an IP address:"
        offers.append(Offer("anonymous_id", {"column": _COOKIE, "cookie": "sid"}, why))
    return offers


def _is_private(path: str) -> bool:
    return path.startswith((_USER, _COOKIE, "forwarded"))
