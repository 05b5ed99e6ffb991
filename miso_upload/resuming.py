"""What must hold before a run goes on where another one stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import (
    ChangedRecipeError,
    ChangedSourceError,
    ShorterSourceError,
    SourceError,
)
from miso_upload.quoting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.accounting import Totals
    from miso_upload.ledger import Entry, Ledger, LedgerSpan
    from miso_upload.listener import Listener
    from miso_upload.sources import Head, Source


_BY_CONTENT = {
    "--mapping": "the mapping file or preset",
    "--transform": "the code of --transform",
    "--schema": "the schema",
    "identity": "how an anonymous_id is made (salt, source, proxies)",
}
"""What a recipe knows by a fingerprint, which says nothing to a person."""


class Resuming(NamedTuple):
    """How a source may be gone on with.

    Attributes:
        recipe: How its rows become records now.
        restart: It is started over.
        allow_changed_recipe: It may be finished in another way than it was begun.
    """

    recipe: str
    restart: bool
    allow_changed_recipe: bool


def entry_for(
    name: str,
    head: Head,
    known: Entry | None,
    ledger: Ledger,
    options: Resuming,
    listener: Listener,
) -> Entry:
    """Return the entry of a source, which the ledger recognised as `known` or not at all.

    Raises:
        ChangedSourceError: The source was edited in place; most of its rows are at Miso already.
        ChangedRecipeError: Some of its rows were sent under another mapping or schema.
    """
    if known is None:
        resemblance = None if options.restart else refuse_edited(name, head, ledger)
        if resemblance is not None:
            listener.noted(resemblance)
        return ledger.register(name, head, options.recipe)
    if options.restart:
        accepted = counted(ledger.totals(known).accepted, "row")
        listener.noted(
            f"{name}: starting over; {accepted} that Miso has accepted already will be sent again"
        )
        known = ledger.start_over(known)
    elif known.recipe != options.recipe:
        known = _under_another_recipe(name, known, options, ledger, listener)
    if known.name != name:
        listener.noted(f"{name}: has the content of {known.name}, known already")
    return known


def refuse_edited(name: str, head: Head, ledger: Ledger) -> str | None:
    """See to it that a source that is not recognised is no edited version of one that is.

    Returns:
        What to tell the user where another source, under another name, is much like this one.

    Raises:
        ChangedSourceError: The source was edited in place; most of its rows are at Miso already.
    """
    similar = ledger.resembling(head)
    if similar is None:
        return None
    accepted = ledger.totals(similar).accepted
    if similar.name != name:
        return (
            f"{name}: shares most of its first lines with {similar.name}, of which Miso has "
            f"{accepted:,} rows; if it is a copy with corrections, those rows are sent again"
        )
    raise ChangedSourceError(
        f"{name}: was edited since Miso took {accepted:,} rows of it, for it shares most of its "
        "first lines with what it was. To send corrected rows, put them into a file of their own; "
        "--restart sends all rows of this one"
    )


def is_beginning(source: Source, spans: Iterable[LedgerSpan]) -> bool:
    """Return whether a source ends where one of `spans` does, and is until there what was read.

    `spans` are those of a source that begins alike and is longer, such as a later export of the
    same table. Of a pipe, which cannot be read once more, it cannot be told.
    """
    last = None
    try:
        for span in spans:
            source.again(span)
            last = span
    except ShorterSourceError:
        pass
    except SourceError:
        return False
    try:
        return last is not None and next(source.blocks(last.end, last.next_line), None) is None
    except SourceError:
        return False


def spans_to_compare(
    source: Source, entry: Entry, todo: Sequence[LedgerSpan], ledger: Ledger
) -> Sequence[LedgerSpan]:
    """Return the spans to see again before going on, those in `todo` and the last one among them.

    All of them, where the source must be read from its beginning to get there in any case.
    """
    if source.reads_through:
        return ledger.spans(entry)
    last = ledger.last_span(entry)
    return todo if last is None or last in todo else [*todo, last]


def _under_another_recipe(
    name: str, entry: Entry, options: Resuming, ledger: Ledger, listener: Listener
) -> Entry:
    """Go on with a source whose rows would become other records now, if that can be meant.

    Raises:
        ChangedRecipeError: Some of its rows were sent under another mapping or schema.
    """
    totals = ledger.totals(entry)
    if not totals.rows:
        return entry
    if options.allow_changed_recipe:
        settled = totals.rows - totals.pending - ledger.open_unknown(entry)
        listener.noted(
            f"{name}: goes on under other options than before; what became of "
            f"{counted(settled, 'row')} under those stays as it is ({totals.accepted:,} accepted, "
            f"{totals.rejected:,} rejected, {totals.skipped:,} skipped)"
        )
        return entry
    if not (totals.accepted or totals.unknown or totals.pending):
        rejected = counted(totals.rejected, "row was", "rows were")
        listener.noted(
            f"{name}: Miso has nothing of it, for {rejected} rejected and "
            f"{totals.skipped:,} skipped under other options; so it starts over"
        )
        return ledger.start_over(entry)
    raise ChangedRecipeError(_changed_recipe(name, entry, options.recipe, totals))


def _changed_recipe(name: str, entry: Entry, recipe: str, totals: Totals) -> str:
    """Return what to say of a source that was begun under other options, and each way out."""
    maybe = f", and may have {totals.unknown:,} more" if totals.unknown else ""
    left = totals.pending + totals.unknown
    others = f"the {left:,} that are left and " if left else ""
    return (
        f"{name}: {totals.rows:,} of its rows were read under other options, of which Miso "
        f"accepted {totals.accepted:,}{maybe}. {_sentence(changed_options(entry.recipe, recipe))}. "
        "Use the same options again; or say --allow-changed-mapping, which sends "
        f"{others}what was added since, under the new ones; or --restart, which sends all rows "
        f"again, also the {totals.accepted:,} that Miso has"
    )


def changed_options(before: str, now: str) -> str:
    """Return what differs between two recipes, in the words of the options."""
    old = dict(line.partition("=")[::2] for line in before.splitlines())
    new = dict(line.partition("=")[::2] for line in now.splitlines())
    changes = [
        _change(name, old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    return "; ".join(changes)


def _change(name: str, before: str | None, now: str | None) -> str:
    if name not in _BY_CONTENT:
        return f"{name}: {before or 'nothing'}, now {now or 'nothing'}"
    what = "is new" if not before else "has changed" if now else "is gone"
    return f"{_BY_CONTENT[name]} {what}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if not text.startswith("--") else text
