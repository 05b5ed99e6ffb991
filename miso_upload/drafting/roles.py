"""Guesses the attribute of each column by its name and values, and builds the draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.drafting import vocabulary as known
from miso_upload.drafting.access_log import draft_of_log, is_log
from miso_upload.drafting.column_choice import best_of, for_example
from miso_upload.drafting.columns import Column, columns_of, only_items
from miso_upload.drafting.doubts import is_email, reason_against
from miso_upload.drafting.draft import Draft, Guess, Offer
from miso_upload.drafting.events import PAGE_TYPE, events_of, unknown_event_column
from miso_upload.drafting.ids import (
    product_guess,
    user_column,
    user_guess,
    visitor_by_values,
    visitor_guess,
)
from miso_upload.drafting.numbers import quantity_guess, rating_guess, revenue_guess
from miso_upload.drafting.pages import browser_guess, ip_guess, page_guesses
from miso_upload.drafting.timestamp_columns import timestamp_guess
from miso_upload.drafting.unmapped import unmapped_columns
from miso_upload.records.json_logs import log_columns
from miso_upload.values.display import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.transform.schema.schema import Schema

_SAMPLED = 2_000
_IDENTITIES = ("user_id", "anonymous_id", "ip")


def infer(
    rows: Sequence[object],
    schema: Schema,
    options: dict[str, Any] | None = None,
    further: Sequence[object] = (),
) -> Draft:
    """Return a draft of the mapping for rows like these; never raises.

    Args:
        rows: A sample from the beginning of a source.
        schema: The types and their attributes.
        options: Options that are needed to read the file.
        further: Rows from other places of the source.
    """
    of_log = log_columns(rows)
    if of_log is not None or is_log(rows):
        return draft_of_log(rows, schema, dict(options or {}), of_log)
    columns = columns_of([*rows[:: max(1, len(rows) // _SAMPLED)], *further])
    draft = Draft(len(rows) + len(further), options=dict(options or {}))
    seen = _Seen(columns, draft)
    types = _kinds(seen, rows)
    draft.guesses.sort(key=lambda guess: guess.attribute != "type")
    allowed = frozenset().union(*(schema.allowed(name) for name in types if name in schema.types))
    timestamp = timestamp_guess(columns)
    if timestamp is None:
        draft.missing.append(
            "no column looks like the time of the event. Rows without a timestamp are rejected."
        )
    seen.add(timestamp)
    _people(seen)
    product = product_guess(seen.left, wanted="product_ids" in allowed)
    seen.add(product)
    if product is None and "product_ids" in allowed:
        draft.missing.append(
            "no column looks like the id of a product. If there is one, map it to product_ids."
        )
    _amounts(seen, product, allowed)
    if "search" in allowed:
        words = best_of(seen.left, known.KEYWORDS)
        if words is not None and words.is_plain and not words.has_lists:
            seen.add(Guess("search.keywords", {"column": words.path}, for_example(words)))
    for guess in page_guesses(seen.left):
        seen.add(guess)
    for attribute, names in known.PLAIN.items():
        column = best_of(seen.left, names)
        if column is not None and column.is_plain and not column.has_lists:
            seen.add(Guess(attribute, {"column": column.path}))
    mostly_null = [column for column in columns if column.is_mostly_null]
    draft.left_out = unmapped_columns([*seen.left, *mostly_null], draft, schema)
    return draft


class _Seen:
    """Tracks the columns that are not mapped yet.

    Attributes:
        left: The columns without a use.
        columns: All columns that can have one.
        draft: The draft.
    """

    def __init__(self, columns: Sequence[Column], draft: Draft) -> None:
        self.left = [column for column in columns if column.values and not column.is_mostly_null]
        self.columns = self.left
        self.draft = draft

    def add(self, guess: Guess | None) -> None:
        """Add a guess, and remove its columns from those left."""
        if guess is None:
            return
        rule = guess.rule
        if why := reason_against(guess, self.columns):
            self.draft.offers.append(Offer(guess.attribute, rule, why))
        else:
            self.draft.guesses.append(guess)
        used = {rule.get("column"), *rule.get("columns", ()), *rule.get("first_of", ())}
        used |= {path.replace("[0]", "[]") for path in used if path and "[0]" in path}
        self.left = [column for column in self.left if column.path not in used]


def _kinds(seen: _Seen, rows: Sequence[object]) -> list[str]:
    """Guess the type of the rows, and return the types that records will have."""
    events = events_of(seen.left, rows)
    if events is not None:
        if (guess := events.guess()) is not None:
            seen.add(guess)
        seen.draft.page_events = events.pages
        seen.draft.unknown_events = events.unknown
        if not events.types:
            seen.draft.offers.append(events.offer())
            seen.draft.missing.append(
                f"{events.column.path} has only views of any page, so no row has a type. Define "
                "routes, which map URLs to types, or switch on the type in the mapping file."
            )
        if events.nameless:
            skip = {"name": "no event", "column": events.column.path, "empty": True}
            why = f"{counted(events.nameless, 'row has', 'rows have')} no event in the sample."
            seen.draft.skips.append((skip, why))
        pages = [PAGE_TYPE] if events.pages else []
        return list(dict.fromkeys([*events.types.values(), *pages]))
    type_name, why = _looks_like(seen.left)
    unsure = [f"all rows get this type, because {why}."]
    column = unknown_event_column(seen.left)
    if column is not None:
        names = ", ".join(quoted(name) for name in column.distinct[:8])
        unsure.append(
            f"{column.path} seems to contain event names, but none is known ({names}). To give "
            f'each a type, replace value by column = "{column.path}" and add a table '
            "[attributes.type.values]."
        )
    seen.add(Guess("type", {"value": type_name}, "", tuple(unsure)))
    return [type_name]


def _looks_like(columns: Sequence[Column]) -> tuple[str, str]:
    def has(names: tuple[str, ...]) -> str | None:
        column = best_of(columns, names)
        return None if column is None else column.path

    # "score" and "grade" are too common to determine the type of a row.
    if (rating := has(known.RATING[:-2])) is not None:
        return "rate", f"there is a rating ({rating})"
    if (order := has(known.ORDER)) is not None:
        return "checkout", f"rows have an order ({order})"
    if has(known.PRODUCT) is None and (words := has(known.KEYWORDS)) is not None:
        return "search", f"rows have search keywords ({words}) and no products"
    if (paid := has(known.REVENUE) or has(known.QUANTITY)) is not None:
        return "checkout", f"rows have an amount or a quantity ({paid})"
    for type_name, names in known.MEDIA.items():
        if (thing := has(names)) is not None:
            return type_name, f"rows are about something to {type_name} ({thing})"
    return "product_detail_page_view", "no column shows what happened"


def _people(seen: _Seen) -> None:
    accounts = [column for column in seen.left if not is_email(column)]
    user = user_column(accounts) or user_column(seen.left) or user_column(only_items(seen.left))
    seen.add(user_guess(user) if user else None)
    address = ip_guess(seen.left)
    seen.add(address)
    seen.add(browser_guess(seen.left))
    always = user is not None and user.filled == 1 and seen.draft.of("user_id") is not None
    visitor = visitor_guess(seen.left, user_always=always)
    seen.add(visitor)
    if not any(map(seen.draft.of, _IDENTITIES)):
        seen.add(visitor_by_values(seen.left))
        if not any(map(seen.draft.of, _IDENTITIES)):
            seen.draft.missing.append(
                "no column looks like the id of a user or a visitor, or like an IP address to "
                "derive one from. Rows without an identity are rejected."
            )


def _amounts(seen: _Seen, product: Guess | None, allowed: frozenset[str]) -> None:
    quantity = None
    if "quantities" in allowed:
        quantity, skip = quantity_guess(seen.left, product)
        seen.add(quantity)
        if skip is not None:
            seen.draft.skips.append(skip)
    if "revenue" in allowed:
        currencies = best_of(seen.left, known.CURRENCY)
        has_quantity = quantity is not None
        revenue = revenue_guess(seen.left, currencies, has_quantity=has_quantity)
        seen.add(revenue or revenue_guess(only_items(seen.left), currencies, has_quantity=True))
    if "rating" in allowed:
        seen.add(rating_guess(seen.left))
