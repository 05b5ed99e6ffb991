"""Writes a draft as a mapping file in TOML, with evidence and doubts as comments."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from miso_upload.drafting.events import PAGE_TYPE
from miso_upload.values.display import counted, one_line, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.drafting.draft import CartRequests, Draft, Guess, RouteGuess

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_WIDTH = 96
_MOST_LISTED = 120
_MOST_PAGES_LISTED = 20
_SUCCESS = ["200", "201", "202", "203", "204", "205", "206", "207", "208", "226", "304"]
_PLACEHOLDER = "Europe/Berlin"


def mapping_text(draft: Draft, source: str, target: str) -> str:
    """Return the text of a mapping file.

    Args:
        draft: The draft.
        source: The name of the sampled file.
        target: The name of the mapping file.
    """
    source, target = one_line(source), one_line(target)
    lines = [
        f"# A draft by 'miso-upload init', from {counted(draft.rows, 'row')} of {source}.",
        "# Lines marked UNSURE are guesses: check them, and correct those that are wrong. Then run",
        f"#   miso-upload {source} -m {target} --dry-run",
        *(line for problem in draft.missing for line in ("#", *_comment(f"MISSING: {problem}"))),
        "",
    ]
    if draft.ignored:
        lines += [
            *_comment("Columns that records do not need:"),
            _pair("ignore", draft.ignored),
            "",
        ]
    if draft.options or draft.lacks_zone:
        lines += ["[options]", *(_pair(*pair) for pair in draft.options.items())]
        lines += [*_zone_comment(), ""] if draft.lacks_zone else [""]
    if draft.columns:
        lines += [*_comment("The names of the preset, and the columns of the log:"), "[columns]",
                  *(_pair(*pair) for pair in draft.columns.items()), ""]  # fmt: skip
    if draft.guesses or draft.offers or not draft.routes:
        lines.append("[attributes]")
    tables = [guess for guess in draft.guesses if _is_table(guess)]
    for guess in draft.guesses:
        if not _is_table(guess):
            rule = guess.rule
            value = rule["column"] if set(rule) == {"column"} else rule
            lines += [*_comments(guess), _pair(guess.attribute, value)]
    for offer in draft.offers:
        rule = offer.rule
        value = rule["column"] if set(rule) == {"column"} else rule
        lines += [*_comment(offer.why), f"# {_pair(offer.attribute, value)}"]
    for guess in tables:
        lines += ["", *_table(guess, draft)]
    for skip, why in draft.skips:
        lines += ["", *_comment(why), "[[skip]]", *(_pair(*pair) for pair in skip.items())]
    lines += _routes(draft)
    lines += _carts(draft.carts) if draft.carts is not None else []
    lines += _left_out(draft)
    return "\n".join(lines) + "\n"


def route_lines(routes: Sequence[RouteGuess]) -> list[str]:
    """Return the `[[routes]]` tables of a mapping file, each with its number of visits."""
    lines: list[str] = []
    for route in routes:
        visits = counted(route.visits, "visit")
        visits += f", for example {route.example}" if route.example else ""
        lines += _comment(f"UNSURE: {visits}; {route.unsure}" if route.unsure else visits)
        lines += ["[[routes]]", _pair("match", route.match), _pair("type", route.type), ""]
    return lines[:-1]


def _is_table(guess: Guess) -> bool:
    return (
        guess.needs_zone
        or bool(guess.choices)
        or "values" in guess.rule
        or guess.attribute in ("type", "timestamp")
    )


def _comments(guess: Guess) -> Iterator[str]:
    if guess.found:
        yield from _comment(guess.found)
    for reason in guess.unsure:
        yield from _comment(f"UNSURE: {reason}")


def _table(guess: Guess, draft: Draft) -> Iterator[str]:
    yield from _comments(guess)
    yield f"[attributes.{_key(guess.attribute)}]"
    for name, value in guess.rule.items():
        if name != "values":
            yield _pair(name, value)
    if guess.needs_zone:
        yield from _zone_comment()
    if guess.choices:
        yield from _comment(
            f"UNSURE: {guess.choice} The rows are rejected until you remove the # of one line:"
        )
        yield from (f"# {_pair(*pair)}" for pair in guess.choices)
    if "values" in guess.rule:
        yield ""
        yield f"[attributes.{_key(guess.attribute)}.values]"
        yield from (_pair(*pair) for pair in guess.rule["values"].items())
        if draft.page_events:
            yield from _comment(
                "These are views of any page, so their rows are skipped. If all of these pages "
                "show a product, remove the #:"
            )
            for name, count in draft.page_events[:_MOST_LISTED]:
                shown = _string(name)
                key = shown if printable(name) == name else quoted(name)
                page = _string(PAGE_TYPE)
                yield f"# {key} = {page}   # {counted(count, 'row')} in the sample"
        if draft.unknown_events:
            yield from _comment(
                "These events are unknown, so their rows are skipped. To keep them, add a type:"
            )
            for name, count in draft.unknown_events[:_MOST_LISTED]:
                # A shortened or redacted name would be a wrong key, so it is only shown.
                shown = _string(name)
                key = shown if printable(name) == name else quoted(name)
                yield f'# {key} = ""   # {counted(count, "row")} in the sample'


def _zone_comment() -> Iterator[str]:
    yield from _comment(
        "UNSURE: the times have no time zone, so their rows are rejected until you name it. "
        "Fill in the zone of the clock that wrote them, and remove the #:"
    )
    yield f'# timezone = "{_PLACEHOLDER}"'


def _carts(carts: CartRequests) -> Iterator[str]:
    """Yield routes and skip rules for requests that fill carts, as comments."""
    yield ""
    redirects = counted(carts.redirects, "answer is a redirect", "answers are redirects")
    answers = f" ({redirects})" if carts.redirects else ""
    yield from _comment(
        f"UNSURE: {counted(carts.requests, 'POST request')} may fill a cart{answers}, and the "
        "preset skips them. To send them, check and uncomment these tables. The routes must come "
        "before other routes for the same pages:"
    )
    accepted = [*_SUCCESS, *(["302", "303"] if carts.redirects else [])]
    tables = [
        "[[skip]]",
        _pair("name", "not GET"),
        _pair("column", "method"),
        _pair("not_in", ["GET", "POST"]),
    ]
    if carts.redirects:
        tables += ["", "[[skip]]", _pair("name", "not answered with success"),
                   _pair("column", "status"), _pair("not_in", accepted)]  # fmt: skip
    for route in carts.routes:
        tables += ["", "[[routes]]", _pair("match", route.match), _pair("type", route.type),
                   _pair("method", ["POST"])]  # fmt: skip
    yield from (f"# {line}".rstrip() for line in tables)


def _routes(draft: Draft) -> Iterator[str]:
    if draft.routes:
        yield ""
        yield "# UNSURE: the types of pages are guessed from their paths. Check some of each."
        yield from route_lines(draft.routes)
    if draft.other_pages:
        yield ""
        yield "# No route matches these pages, so visits to them are skipped:"
        yield from (
            f"#   {count:>9,}  {path}" for path, count in draft.other_pages[:_MOST_PAGES_LISTED]
        )


def _left_out(draft: Draft) -> Iterator[str]:
    if not draft.left_out:
        return
    yield ""
    yield "# Unmapped columns, with an example of each. To keep one, add this under [attributes]:"
    yield '#   "context.custom_context.NAME" = "COLUMN"'
    shown = draft.left_out[:_MOST_LISTED]
    width = min(36, max(len(printable(each.path)) for each in shown))
    for each in shown:
        line = f"#   {printable(each.path):{width}}  {printable(each.example)}"
        yield f"{line.rstrip()}   ({printable(each.reason)})" if each.reason else line.rstrip()
    if len(draft.left_out) > _MOST_LISTED:
        yield f"#   and {len(draft.left_out) - _MOST_LISTED:,} more"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        printable(text, 600), _WIDTH, initial_indent="# ", subsequent_indent="#   ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _pair(name: str, value: object) -> str:
    return f"{_key(name)} = {_value(value)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: Any) -> str:  # noqa: ANN401 -- any TOML value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(_pair(*pair) for pair in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def _string(text: str) -> str:
    return '"' + "".join(map(_character, text)) + '"'


def _character(char: str) -> str:
    if char in _ESCAPED:
        return _ESCAPED[char]
    return char if char.isprintable() else f"\\U{ord(char):08x}"
