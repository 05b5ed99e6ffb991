"""Generates the sample data, which is the same every time.

It has a fictional shop, visitors at addresses that are reserved for documentation, and mistakes as
in real histories.
"""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

HERE = Path(__file__).parent
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
)
SEARCHES = ("oak table", "walnut desk", "reading lamp", "bookshelf", "stool", "schreibtisch")
PRODUCTS = tuple(f"WW-{number:04d}" for number in range(1, 141))
TYPES = (
    ("product_detail_page_view", 60),
    ("search", 14),
    ("category_page_view", 10),
    ("add_to_cart", 9),
    ("checkout", 3),
    ("rate", 2),
    ("home_page_view", 2),
)


def interaction(draw: random.Random, when: datetime) -> dict[str, Any]:
    """Return one valid row; two of three visitors are signed in, one has only an address."""
    kinds, weights = zip(*TYPES, strict=True)
    kind = draw.choices(kinds, weights)[0]
    row: dict[str, Any] = {
        "type": kind,
        "timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if draw.random() < 2 / 3:
        row["user_id"] = f"customer-{draw.randrange(1, 160)}"
    else:
        row["ip"] = f"203.0.113.{draw.randrange(1, 255)}"
        row["user_agent"] = draw.choice(AGENTS)
    product = draw.choice(PRODUCTS)
    if kind not in ("search", "category_page_view", "home_page_view"):
        row["product_ids"] = [product]
    if kind == "search":
        row["search"] = {"keywords": draw.choice(SEARCHES)}
    elif kind == "category_page_view":
        row["category"] = ["Furniture", draw.choice(("Tables", "Lamps", "Shelves"))]
    elif kind == "add_to_cart":
        row["quantities"] = [draw.randrange(1, 4)]
    elif kind == "checkout":
        row |= {"quantities": [1], "revenue": draw.randrange(1900, 89900) / 100}
    elif kind == "rate":
        row["rating"] = draw.randrange(1, 11) / 2
    page = f"https://shop.example/{kind}/{product}"
    row["context"] = {"page": {"url": page}, "campaign": None}
    return row


def spoiled(row: dict[str, Any], how: int) -> str:
    """Return a row with a common mistake."""
    if how == 0:
        row["timestamp"] = "2026-13-01"
    elif how == 1:
        row["type"] = "purchase"
    elif how == 2:
        del row["timestamp"]
    elif how == 3:
        row |= {"product_ids": "WW-0001", "type": "like"}
    elif how == 4:
        return json.dumps(row)[:-20]
    else:
        row.pop("user_id", None)
        row.pop("ip", None)
    return json.dumps(row)


def history(rows: int = 2_400) -> None:
    """Write `history.jsonl`."""
    draw = random.Random(20260302)
    with (HERE / "history.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        when = START
        for number in range(rows):
            when += timedelta(milliseconds=draw.randrange(500, 90_000))
            row = interaction(draw, when)
            text = spoiled(row, number // 200 % 6) if number % 200 == 117 else json.dumps(row)
            file.write(text + "\n")


def orders(rows: int = 180) -> None:
    """Write `orders.csv`: a German shop export with local times and a clock change."""
    draw = random.Random(20260328)
    when = datetime(2026, 3, 28, 18, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    with (HERE / "orders.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=";", lineterminator="\n")
        table.writerow(("order", "ordered_at", "customer", "skus", "amounts", "total", "note"))
        for number in range(rows):
            when += timedelta(minutes=draw.randrange(1, 12))
            skus = draw.sample(PRODUCTS, draw.choice((1, 1, 1, 2, 3)))
            note = 'Bitte "leise"\nliefern' if number % 40 == 7 else ""
            total = "free" if number == 99 else f"{draw.randrange(1900, 89900) / 100:.2f}"
            local = (when.astimezone(UTC)).astimezone(ZoneInfo("Europe/Berlin"))
            table.writerow(
                (
                    f"O{number:05d}",
                    local.strftime("%Y-%m-%d %H:%M:%S"),
                    f"customer-{draw.randrange(1, 160)}",
                    " ".join(skus),
                    " ".join("1" for _ in skus),
                    total,
                    note,
                )
            )


if __name__ == "__main__":
    history()
    orders()
