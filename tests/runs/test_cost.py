"""What a row costs, counted in calls of functions, so that a slow change is seen without a clock.

Memory is looked at too: what was made of a block is let go with it.

Whatever is done once for a slice costs little; what is called for every row is what adds up. Only
functions of this program are counted. A bound that is passed by a change that is worth it may be
raised; it is there so that nobody raises it unawares.
"""

import gc
import inspect
import json
import sys
from pathlib import Path

import pytest

import miso_upload
from miso_upload.records import Block
from miso_upload.sources.formats.access_log import AccessLog
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.dialect import Dialect
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.transform.block import Transform
from miso_upload.transform.mapping import overlaid, parse_mapping, read_preset
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from tests.helpers.mapped import mapper_of

ROWS = 5_120
PROGRAM = str(Path(miso_upload.__file__).parent)
SCHEMA = shipped_schema()
TYPES = ["product_detail_page_view", "search", "add_to_cart", "home_page_view"]
CSV_MAPPING = """
[attributes]
type = "event"
timestamp = "time"
user_id = "customer"
product_ids = "sku"
quantities = "amount"
revenue = "price"
"search.keywords" = "words"
"context.page.url" = "page"
user_agent = "browser"
rating = { value = 4 }
"""
ROUTES = """
[[routes]]
match = "/products/{product_ids}"
type = "product_detail_page_view"
[[routes]]
match = "/search?q={search.keywords}"
type = "search"
"""


def transform_of(rows, *, mapping="", columns=None, preset=None):
    said = parse_mapping("mapping.toml", mapping)
    if preset:
        said = overlaid(said, read_preset(preset))
    return Transform(rows, mapper_of(said, columns), RecordValidator(SCHEMA))


def calls_per_row(rows, data, **said):
    """Return how many functions of the program are called for each row of a block."""
    transform = transform_of(rows, **said)
    block = Block(0, 0, len(data), 1, ROWS, data)
    transform(block)  # compiles what is compiled once
    count = 0

    def counting(frame, event, _):
        nonlocal count
        # What resumes a generator is no call.
        is_call = event == "call" and not frame.f_code.co_flags & inspect.CO_GENERATOR
        count += is_call and frame.f_code.co_filename.startswith(PROGRAM)

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        batch = transform(block)
    finally:
        sys.setprofile(before)
    assert batch.rows == ROWS
    assert len(batch.lines) > ROWS / 2
    return count / ROWS


def jsonl(**more):
    def row(number):
        name = TYPES[number % len(TYPES)]
        moment = f"2025-03-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        of_type = {"search": {"keywords": "oak"}} if name == "search" else {}
        if "product" in name or "cart" in name:
            of_type = {"product_ids": ["p"]}
        values = {key: value(number) for key, value in more.items()}
        return {"type": name, "timestamp": moment, **values, **of_type}

    return b"".join(json.dumps(row(number)).encode() + b"\n" for number in range(ROWS))


def address(number):
    return f"198.51.100.{number % 256}"


def test_a_row_that_is_a_record_already_costs_less_than_one_call():
    data = jsonl(user_id=str, anonymous_id=str)

    assert calls_per_row(JsonLines(2**20), data) < 0.8


def test_an_id_that_is_derived_costs_a_few_calls():
    data = jsonl(ip=address, user_agent=lambda number: f"Mozilla/5.0 ({number % 50})")

    assert calls_per_row(JsonLines(2**20), data) < 6.5


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_row_of_cells_under_ten_rules_costs_a_few_calls(quote):
    columns = ("time", "event", "customer", "sku", "amount", "price", "words", "page", "browser",
               "address", "session", "brand")  # fmt: skip
    cells = ["2025-03-01T10:00:00Z", TYPES[0], "u", "p", "1", "9.90", "oak", "/p", "Mozilla/5.0",
             "198.51.100.7", "s", "b"]  # fmt: skip
    data = (",".join(f"{quote}{cell}{quote}" for cell in cells) + "\n").encode() * ROWS
    rows = Delimited(Dialect(","), columns, 2**20)

    assert calls_per_row(rows, data, mapping=CSV_MAPPING, columns=columns) < 4.5


def test_a_line_of_a_log_with_routes_and_a_bot_filter_costs_some_calls():
    def line(number):
        target = ["/products/1", "/search?q=oak", "/products/2", "/logo.png"][number % 4]
        return (
            f"{address(number)} - - [01/Mar/2025:10:{number // 60 % 60:02}:{number % 60:02} +0000] "
            f'"GET {target} HTTP/1.1" 200 512 "-" "Mozilla/5.0 ({number % 50})"\n'
        )

    data = "".join(map(line, range(ROWS))).encode()

    assert calls_per_row(AccessLog(2**20), data, mapping=ROUTES, preset="web-log") < 10


def test_a_bad_row_in_a_thousand_costs_the_others_next_to_nothing():
    good = jsonl(user_id=str, anonymous_id=str)
    lines = good.split(b"\n")
    for place in range(500, ROWS, 1000):
        lines[place] = lines[place].replace(b"2025-03", b"2025-13")
    rows = JsonLines(2**20)

    assert calls_per_row(rows, b"\n".join(lines)) < calls_per_row(rows, good) + 0.5


@pytest.mark.parametrize(
    "mapping", ["", 'skip = [{ name = "likes", column = "type", in = ["like"] }]']
)
def test_what_was_made_of_blocks_is_let_go(mapping):
    rows = [
        b"%d" % 1,
        b'{"type": "like"}',
        b'{"type": "home_page_view", "timestamp": "2025-13-01"}',
    ]
    data = jsonl(ip=address, user_id=str) + b"\n".join(rows)
    block = Block(0, 0, len(data), 1, ROWS + len(rows), data)
    transform = transform_of(JsonLines(2**20), mapping=mapping)
    transform(block)

    def objects_after(blocks):
        for _ in range(blocks):
            transform(block)
        gc.collect()
        return len(gc.get_objects())

    objects_after(2)
    before = objects_after(1)
    assert objects_after(5) - before < ROWS
