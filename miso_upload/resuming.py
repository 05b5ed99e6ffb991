"""What must hold before a run goes on where another one stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import (
    ChangedRecipeError,
    ChangedSourceError,
    ShorterSourceError,
    SourceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.ledger import Entry, Ledger, LedgerSpan
    from miso_upload.listener import Listener
    from miso_upload.sources import Head, Source


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
        listener.noted(
            f"{name}: starting over; {ledger.totals(known).accepted:,} rows that Miso has accepted "
            "already will be sent again"
        )
        known = ledger.start_over(known)
    elif _nothing_was_sent(known, options, ledger):
        listener.noted(f"{name}: all its rows were skipped under other options, so it starts over")
        known = ledger.start_over(known)
    elif not options.allow_changed_recipe:
        refuse_changed_recipe(name, known, options.recipe, ledger)
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


def refuse_changed_recipe(name: str, entry: Entry, recipe: str, ledger: Ledger) -> None:
    """See to it that a source is finished as it was begun.

    Raises:
        ChangedRecipeError: Some of its rows were sent under another mapping or schema.
    """
    if entry.recipe == recipe or not ledger.totals(entry).rows:
        return
    raise ChangedRecipeError(
        f"{name}: was uploaded under other options "
        f"({changed_options(entry.recipe, recipe)}). Use the same options again, or say "
        "--allow-changed-mapping to send what is added under the new ones, or --restart to send "
        "all of it again"
    )


def _nothing_was_sent(entry: Entry, options: Resuming, ledger: Ledger) -> bool:
    """Return whether all rows of a source were skipped, as those of a log are without routes."""
    if entry.recipe == options.recipe or options.allow_changed_recipe:
        return False
    totals = ledger.totals(entry)
    return 0 < totals.rows == totals.skipped


def changed_options(before: str, now: str) -> str:
    """Return what differs between two recipes, in the words of the options."""
    old = dict(line.partition("=")[::2] for line in before.splitlines())
    new = dict(line.partition("=")[::2] for line in now.splitlines())
    changes = [
        f"{name}: {old.get(name) or 'nothing'}, now {new.get(name) or 'nothing'}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    return "; ".join(changes)
