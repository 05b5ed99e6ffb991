"""Drafts a mapping for an access log, with a preset for visits and routes from the paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.drafting.column_choice import PRIVATE, example_of
from miso_upload.drafting.columns import columns_of
from miso_upload.drafting.draft import Draft, LeftOut, Offer
from miso_upload.drafting.routes import suggested_routes
from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapper, read_preset
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.transform.schema.schema import Schema

PRESET = "web-log"
_LOG_COLUMNS = frozenset({"method", "url", "status", "timestamp", "ip"})
"""The usual columns of a log; a line may lack some of them."""
_ENOUGH = 4
_USER, _COOKIE = "user", "cookie"


def is_log(rows: Sequence[object]) -> bool:
    """Return whether rows look like the lines of an access log."""
    first = [row for row in rows[:50] if isinstance(row, dict)]
    matching = sum(len(_LOG_COLUMNS & row.keys()) >= _ENOUGH for row in first)
    return bool(first) and {"url", "status"} <= set().union(*first) and 2 * matching > len(first)


def draft_of_log(rows: Sequence[object], schema: Schema, options: dict[str, Any]) -> Draft:
    """Return a draft for rows of a log; never raises."""
    preset = read_preset(PRESET)
    mapper = Mapper(preset.spec, schema, TimestampReader(), IdentityPolicy(), None)
    findings = Findings()
    for number, row in enumerate(rows):
        mapper.map_row(row, number, findings)
    found = suggested_routes(findings.unmatched_paths)
    draft = Draft(len(rows), options={"preset": PRESET, **options})
    draft.routes, draft.other_pages = found.routes, found.others
    used = mapper.reads
    names = set().union(*(row.keys() for row in rows if isinstance(row, dict)))
    draft.offers = list(_offers(names))
    draft.left_out = [
        LeftOut(
            column.path,
            PRIVATE if _is_private(column.path) else example_of(column),
            f"the preset {PRESET} does not use it",
        )
        for column in columns_of(rows[:1_000])
        if column.path not in used and column.values
    ]
    return draft


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
