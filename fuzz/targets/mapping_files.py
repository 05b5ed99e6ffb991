"""Mapping files, and rows mapped with them."""

from __future__ import annotations

from fuzz.properties import check_batch, must, only_our_errors, validator
from miso_upload.records import Block
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.transform.block import Transform
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapper, MappingSpec
from miso_upload.transform.mapping.file import parse_mapping
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader

_ROWS = b"""
{"a":"u1","t":"2025-03-01T09:30:00Z","url":"/p/7?q=x","n":0,"l":[{"k":"v","i":1},{"k":5}],"d":1}
{"a":"","t":1740821400,"url":"https://shop.example/a-b-c/","n":"0001","l":"[1]","o":{"x":null}}
{"a":5,"t":"x","url":5,"n":1e308,"l":{"k":"v"},"o":"{}","ip":"192.0.2.1, 198.51.100.7"}
[]
"""
SPECIMENS = (
    b'attributes = {type = {value = "like"}, user_id = "a", timestamp = "t"}\n',
    b'[attributes]\ntype = {value = "like"}\nuser_id = {template = "{a}-{n}", default = "d"}\n'
    b'timestamp = {column = "t", format = ["%Y"], timezone = "Europe/Berlin"}\n',
    b'[attributes]\nproduct_ids = {column = "l[k=v].i", split = ","}\n'
    b'revenue = {column = "n", scale = 0.01, min = 0, max = 5}\n'
    b'type = {column = "a", values = {u1 = "like", 5 = ""}, otherwise = "skip", skipped_as = "x"}',
    b'[[routes]]\nmatch = "/p/{product_ids}?q={search.keywords}"\ntype = "search"\n'
    b'set = {user_id = "u"}\n[routing]\nurl = "url"\notherwise = "keep"\n',
    b'[[skip]]\nname = "x"\ncolumn = "a"\nlike = ["*u*1*"]\n[[skip]]\nname = "y"\ncolumn = "url"\n'
    b'path_ends = [".png"]\nbot = false\n',
    b'ignore = ["d"]\n[columns]\nurl = "a"\n[attributes]\nuser_agent = {cookie = "c", column = "a"}',
    b'[attributes]\n"context.page.url" = {column = "url", base = ["https://{a}", "https://x"]}\n'
    b'user_id = {columns = ["a", "n"], join = "-"}\nip = {first_of = ["ip", "o.x", "l[].k"]}\n',
    b'[attributes]\ntype = {value = "u1", values = {u2 = "like"}, otherwise = "skip"}\n',
    b'attributes.revenue = {column = "n", scale = 1e400}\n',
    b'[attributes]\nuser_id = {column = "a", strip = true, lower = true, hash = "sha256"}\n'
    b'revenue = {calculate = "-{n} * ({d} + 1.5) / 7"}\ntimestamp = {column = "t", add = "n"}\n'
    b'product_ids = {column = "url", split = "/", item = "{product_ids} x {quantities}"}\n',
    b'[attributes]\nuser_id = {column = "a", extract = "(u)1", otherwise = "omit"}\n'
    b'type = {column = "url", replace = [{pattern = "p", with = "l"}, {text = "x", with = ""}]}\n',
)
TOKENS = (
    b"[attributes]\n", b"[[routes]]\n", b"[[skip]]\n", b"[routing]\n", b"[columns]\n", b"ignore = ",
    b"type = ", b"user_id = ", b"timestamp = ", b"product_ids = ", b"revenue = ", b"context.page.url",
    b"column = ", b"first_of = ", b"columns = ", b"template = ", b"base = ", b"cookie = ", b"value = ",
    b"values = ", b"otherwise = ", b"split = ", b"scale = ", b"min = ", b"max = ", b"format = ",
    b"timezone = ", b"default = ", b"match = ", b"method = ", b"set = ", b"name = ", b"in = ",
    b"like = ", b"below = ", b"empty = true", b"path_ends = ", b"bot = true", b"inf", b"nan", b'"a"',
    b'"n"', b'"t"', b'"l[].k"', b'"l[*k=v].i"', b'"l[0]"', b'"{a}"', b'"/{a}/**/*"', b'"""', b"'''",
    b"strip = true", b"lower = true", b"upper = true", b"replace = ", b"text = ", b"pattern = ",
    b"with = ", b"extract = ", b"group = ", b"item = ", b"lookup = ", b"file = ", b"hash = ",
    b"calculate = ", b"add = ", b"unit = ", b'"{a} * ({n} + 1)"', b'"(a+)+$"',
    b"2025-03-01", b"09:30:00", b"1e999", b"0x1", b"{a}",
)  # fmt: skip


def one_input(data: bytes) -> None:
    """Read any text as a mapping file, and map some rows with it."""
    text = data.decode(errors="replace")
    with only_our_errors():
        file = parse_mapping("map.toml", text)
        must(
            file.fingerprint == parse_mapping("other.toml", text).fingerprint, "its name is not it"
        )
        plan = MappingSpec(file.rules, file.skips, file.routing, file.ignored, bot_rate=3)
        for columns in (None, ("a", "t", "url", "n", "l", "d", "o")):
            mapper = Mapper(plan, shipped_schema(), TimestampReader(), IdentityPolicy(), columns)
            lines = _ROWS.count(b"\n")
            block = Block(1, 0, len(_ROWS), 1, lines, _ROWS)
            batch = Transform(JsonLines(2**20), mapper, validator())(block)
            must(batch.rows == lines - 1, "every row counts")
            check_batch(batch, len(_ROWS) + lines * len(data))
