"""What must hold before a run goes on where another one stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import ChangedRecipeError, ChangedSourceError

if TYPE_CHECKING:
    from miso_upload.ledger import Entry, Ledger
    from miso_upload.sources import Head


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
