"""Checking documents that a user wrote, such as a schema or a mapping file, against a schema.

Records are judged elsewhere, by a library a hundred times as fast; this one explains better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.values.display import printable, quoted

if TYPE_CHECKING:
    from miso_upload.transform.schema.json_schema import Node


class Complaint(NamedTuple):
    """What is wrong with a document, and where."""

    path: tuple[str | int, ...]
    """The keys and indices that lead to the place; the last may be the one that is wrong."""
    problem: str


def complaint_about_schema(node: Node) -> Complaint | None:
    """Return what keeps `node` from being JSON Schema 2020-12, if anything does."""
    # Imported here because it takes long, and few bring a schema of their own.
    import jsonschema  # type: ignore[import-untyped]  # noqa: PLC0415

    # Whether a regular expression is one is for the library that judges by it to say.
    formats = jsonschema.FormatChecker(formats=())
    try:
        jsonschema.Draft202012Validator.check_schema(node, format_checker=formats)
    except jsonschema.SchemaError as error:
        return Complaint(tuple(error.path), printable(error.message))
    return None


def complaint_about(document: object, schema: Node) -> Complaint | None:
    """Return the most telling thing that `schema` has against `document`, if it has any."""
    import jsonschema  # noqa: PLC0415

    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    error = jsonschema.exceptions.best_match(errors)
    if error is None:
        return None
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        return _unknown_name(path, error)
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return Complaint(path, f"{missing} is missing")
    if error.validator == "enum":
        return Complaint(path, f"must be one of {', '.join(map(str, error.validator_value))}")
    if error.validator == "type":
        wanted = error.validator_value
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return Complaint(path, f"{quoted(error.instance)} must be {_one_of(kinds)}")
    if error.validator == "anyOf" and "description" in error.schema:
        said = error.schema["description"]
        return Complaint(path, f"{quoted(error.instance)} is none of what can be said here: {said}")
    return Complaint(path, printable(error.message))


def _unknown_name(path: tuple[str | int, ...], error: Any) -> Complaint:  # noqa: ANN401 -- untyped
    known = list(error.schema.get("properties", ()))
    name = next(key for key in error.instance if key not in known)
    import difflib  # noqa: PLC0415 -- as above

    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return Complaint((*path, name), f"is not known here ({meant})")


def _one_of(kinds: list[str]) -> str:
    words = {"string": "text", "object": "a table", "array": "a list", "boolean": "true or false"}
    named = [words.get(kind, f"a {kind}") for kind in kinds]
    return " or ".join(named)
