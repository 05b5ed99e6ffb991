"""Validates documents of the user, such as a schema or a mapping file, against a schema.

Records are validated in `validation`, by a library a hundred times as fast. The one used here
explains better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.values.display import printable, quoted

if TYPE_CHECKING:
    from miso_upload.transform.schema.json_schema import Node


class Complaint(NamedTuple):
    """What is wrong with a document.

    Attributes:
        path: The keys and indices to the value that is wrong, or to the key that is unknown.
        problem: What is wrong; in a sentence, it follows the key.
    """

    path: tuple[str | int, ...]
    problem: str


def complaint_about_schema(node: Node) -> Complaint | None:
    """Return what is wrong with `node` as JSON Schema 2020-12; None if it is valid."""
    # Imported here because it takes long, and few users have a schema of their own.
    import jsonschema  # type: ignore[import-untyped]  # noqa: PLC0415

    # Regular expressions are checked by the library that validates records with them.
    formats = jsonschema.FormatChecker(formats=())
    try:
        jsonschema.Draft202012Validator.check_schema(node, format_checker=formats)
    except jsonschema.SchemaError as error:
        return Complaint(tuple(error.path), printable(error.message))
    return None


def complaint_about(document: object, schema: Node) -> Complaint | None:
    """Return the most relevant error of `document`; None if it is valid."""
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
        return Complaint(path, f"has no {missing}")
    if error.validator == "enum":
        return Complaint(path, f"must be one of {', '.join(map(str, error.validator_value))}")
    if error.validator == "type":
        wanted = error.validator_value
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return Complaint(path, f"must be {_one_of(kinds)}, not {quoted(error.instance)}")
    if error.validator == "anyOf" and "description" in error.schema:
        expected = error.schema["description"]
        return Complaint(path, f"cannot be {quoted(error.instance)}. Expected: {expected}")
    return Complaint(path, printable(error.message))


def _unknown_name(path: tuple[str | int, ...], error: Any) -> Complaint:  # noqa: ANN401 -- untyped
    known = list(error.schema.get("properties", ()))
    name = next(key for key in error.instance if key not in known)
    import difflib  # noqa: PLC0415 -- as above

    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
    return Complaint((*path, name), f"is not a known key ({meant})")


def _one_of(kinds: list[str]) -> str:
    words = {"string": "text", "object": "a table", "array": "a list", "boolean": "true or false"}
    named = [words.get(kind, f"a {kind}") for kind in kinds]
    return " or ".join(named)
