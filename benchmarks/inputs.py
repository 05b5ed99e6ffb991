"""Creates inputs for the benchmarks: for a number of rows, the same bytes on every machine."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 20260301
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
MIX = {
    "product_detail_page_view": 60,
    "search": 15,
    "add_to_cart": 10,
    "category_page_view": 7,
    "checkout": 3,
    "home_page_view": 3,
    "rate": 2,
}
AT_ONCE = 200
"""The number of visitors on the site at any time."""
ROWS_OF_A_VISIT = 8
"""The average number of rows of a visit."""
BROWSERS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 "
    "Safari/537.36"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux")
    for version in range(100, 140)
]
BOTS = ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "curl/8.5.0"]
COLUMNS = [
    "event_time", "event", "session", "customer", "sku", "category", "brand", "price", "amount",
    "page", "address", "browser",
]  # fmt: skip
MAPPING = """\
[attributes]
type = "event"
timestamp = "event_time"
user_id = "customer"
product_ids = "sku"
quantities = "amount"
revenue = "price"
"search.keywords" = "category"
"context.page.url" = "page"
user_agent = "browser"
rating = { value = 4 }
"""
ROUTES = """\
[options]
format = "log"

[[routes]]
match = "/"
type = "home_page_view"

[[routes]]
match = "/products/{product_ids}"
type = "product_detail_page_view"

[[routes]]
match = "/category/**"
type = "category_page_view"

[[routes]]
match = "/search?q={search.keywords}"
type = "search"
"""


class Visitor(NamedTuple):
    """The visitor of a few successive rows."""

    address: str
    browser: str
    user: str
    cookie: str


class Visits:
    """Draws the visitor of each row from those who are on the site; most stay only briefly."""

    def __init__(
        self, dice: random.Random, *, bots: float = 0, rows_each: float = ROWS_OF_A_VISIT
    ) -> None:
        self._dice = dice
        self._bots = bots
        self._rows_each = rows_each
        self._here = [self._come() for _ in range(AT_ONCE)]

    def draw(self) -> Visitor:
        """Return the visitor of the next row."""
        index = self._dice.randrange(AT_ONCE)
        visitor = self._here[index]
        if self._dice.random() < 1 / self._rows_each:
            self._here[index] = self._come()
        return visitor

    def _come(self) -> Visitor:
        dice = self._dice
        return Visitor(
            f"198.51.{dice.randrange(256)}.{dice.randrange(256)}",
            dice.choice(BOTS if dice.random() < self._bots else BROWSERS),
            f"user-{dice.randrange(50_000):06}",
            f"{dice.getrandbits(128):032x}",
        )


def records(
    rows: int, *, ids: bool = True, bad_every: int = 0, rows_each: float = ROWS_OF_A_VISIT
) -> Iterator[dict[str, Any]]:
    """Yield records of about 430 bytes with a shop's mix of types, seven seconds apart.

    They belong to visits of several rows each, which overlap.

    Args:
        rows: The number of records.
        ids: Whether records have ids, or an address and a user agent instead.
        bad_every: Every n-th record has a month 13; 0 for none.
        rows_each: The average number of rows of a visit; with 1, each row has its own visitor.
    """
    dice = random.Random(SEED)
    visits = Visits(random.Random(SEED + 1), rows_each=rows_each)
    types = dice.choices(list(MIX), list(MIX.values()), k=rows)
    for number, name in enumerate(types):
        timestamp = BEGIN + timedelta(seconds=7 * number, milliseconds=number % 1000)
        record: dict[str, Any] = {
            "type": name,
            "timestamp": timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        if bad_every and number % bad_every == bad_every - 1:
            record["timestamp"] = "2025-13-01"
        visitor = visits.draw()
        page = {"url": f"https://shop.example/p/{number}", "referrer": "https://shop.example/"}
        if ids:
            record["user_id"] = visitor.user
            record["anonymous_id"] = visitor.cookie
            record["context"] = {
                "truncated_ip": "198.51.100.0", "user_agent": visitor.browser, "page": page,
            }  # fmt: skip
        else:
            record |= {
                "ip": visitor.address, "user_agent": visitor.browser, "context": {"page": page},
            }  # fmt: skip
        record |= _of_type(name, dice)
        yield record


def _of_type(name: str, dice: random.Random) -> dict[str, Any]:
    if name == "search":
        return {"search": {"keywords": f"oak table {dice.randrange(1000)}"}}
    if name in ("home_page_view", "category_page_view"):
        return {}
    of_product: dict[str, Any] = {"product_ids": [f"sku-{dice.randrange(20_000):05}"]}
    if name in ("add_to_cart", "checkout"):
        of_product["quantities"] = [1]
    if name == "checkout":
        of_product["revenue"] = dice.randrange(100, 20_000) / 100
    if name == "rate":
        of_product["rating"] = 4.5
    return of_product


def write_jsonl(path: Path, rows: int, **how: Any) -> Path:
    """Write records as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records(rows, **how))
    return path


def write_csv(path: Path, rows: int) -> Path:
    """Write an export with 12 columns; `MAPPING` is its mapping file."""
    dice = random.Random(SEED)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for record in records(rows, ids=False):
            writer.writerow(
                [
                    record["timestamp"], record["type"], f"s{dice.randrange(10**6)}",
                    f"user-{dice.randrange(50_000)}", f"sku-{dice.randrange(20_000):05}",
                    "furniture.tables", f"brand{dice.randrange(50)}", dice.randrange(10_000) / 100,
                    1, record["context"]["page"]["url"], record["ip"], record["user_agent"],
                ]
            )  # fmt: skip
    return path


def write_as_parquet(table: Path) -> Path:
    """Write the rows of an export beside it as Parquet, all as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = table.with_suffix(".parquet")
    with table.open(encoding="utf-8", newline="") as file:
        pq.write_table(pa.Table.from_pylist(list(csv.DictReader(file))), path)
    return path


def write_log(path: Path, rows: int) -> Path:
    """Write an access log in the combined format; `ROUTES` is its mapping file.

    A third of the lines are assets, an eighth come from bots, and a few are errors.
    """
    dice = random.Random(SEED)
    visits = Visits(random.Random(SEED + 1), bots=0.125)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            timestamp = BEGIN + timedelta(seconds=number // 3)
            target = dice.choices(
                [
                    f"/products/sku-{dice.randrange(20_000):05}",
                    f"/search?q=oak+table+{dice.randrange(1000)}&page=1",
                    "/category/furniture/tables",
                    "/",
                    f"/static/img/{dice.randrange(500)}.png",
                ],
                [30, 15, 10, 10, 35],
            )[0]
            visitor = visits.draw()
            status = 200 if dice.random() < 0.95 else 404
            file.write(
                f"{visitor.address} - - "
                f'[{timestamp:%d/%b/%Y:%H:%M:%S} +0000] "GET {target} HTTP/1.1" {status} '
                f'{dice.randrange(100, 90_000)} "https://shop.example/" "{visitor.browser}"\n'
            )
    return path
