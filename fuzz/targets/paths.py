"""Paths into rows, and templates with placeholders."""

from __future__ import annotations

from fuzz.properties import only_our_errors
from miso_upload.transform.mapping.conditions import Condition, compile_condition
from miso_upload.transform.mapping.paths import ABSENT, first_step, getter
from miso_upload.transform.mapping.rules import Rule, compile_rule
from miso_upload.transform.schema.schema import Kind
from miso_upload.values.json import JSONDecodeError, decode
from miso_upload.values.timestamps import TimestampReader

SPECIMENS = (
    b'a.b\n{"a":{"b":1}}',
    b'items[].id\n{"items":[{"id":1},{"id":null},{}]}',
    b'p[key=page].value\n{"p":[{"key":"page","value":"v"}]}',
    b'p[*k=1].v.w\n{"p":[{"k":1,"v":"{\\"w\\":2}"}]}',
    b'a[0][1]\n{"a":"[[1,2]]"}',
    b'a.b\n{"a.b":1}',
    b'a[999999999999999999999].b\n{"a":[]}',
    b'{a}-{b.c}\n{"a":1,"b":{"c":[{}]}}',
    b'*a*a*b\n{"*a*a*b":"aaaaaaaaaa"}',
    b'[]\n{"":[[[]]]}',
)
TOKENS = (
    b".", b"[", b"]", b"[]", b"[0]", b"[*", b"=", b"{", b"}", b"{{", b"!r", b":>9", b'"a":', b'{"a":[',
    b"*", b"?", b"[!a]", b"\\u0000", b"null", b'"{}"',
)  # fmt: skip


def one_input(data: bytes) -> None:
    """Use the first line as a path, a template and a pattern on the object after it."""
    head, _, rest = data.partition(b"\n")
    path = head.decode(errors="replace")
    try:
        row = decode(rest)
    except JSONDecodeError:
        row = {path: rest.decode(errors="replace")}
    if not isinstance(row, dict):
        row = {"a": row}
    with only_our_errors():
        first_step(path)
        if getter(path)(row) is ABSENT:
            pass
        for rule in (Rule(template=path), Rule(columns=(path,), base=(path,), cookie=path)):
            compiled = compile_rule(
                rule, Kind.ANY, timestamps=TimestampReader(), list_separator=path or None
            )
            compiled.fetch(row)
        for column in ("a", path):
            compile_condition(Condition("x", column, like=(path,), path_ends=(path,)))(row)
