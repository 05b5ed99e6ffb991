"""Every preset on a specimen of its vendor's export, and on real files where they are there."""

from __future__ import annotations

import json
import shlex
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from miso_upload import Settings, check, upload
from miso_upload.cli.upload import upload_command
from miso_upload.errors import ConfigurationError, MappingError
from miso_upload.sandbox import Sandbox
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import (
    Mapper,
    MappingSpec,
    overlaid,
    parse_mapping,
    preset_names,
    preset_purpose,
    preset_text,
    read_preset,
)
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.commands import invoke
from tests.helpers.paths import ROOT

SPECIMENS = Path(__file__).parent / "specimens"
EXPECTED = json.loads(Path(__file__).with_name("expected.json").read_text(encoding="utf-8"))
"""Preset: the records of its specimen, how many rows are rejected and skipped, and real files.

Some specimens need options, such as a time zone.
"""


def compiled(name, header=None):
    """Return a preset ready for rows: for cells under `header`, or for JSON."""
    file = read_preset(name)
    plan = MappingSpec(file.rules, file.skips, file.routing)
    return Mapper(plan, shipped_schema(), TimestampReader(), IdentityPolicy(), header)


def specimen(name):
    (found,) = (path for path in SPECIMENS.iterdir() if path.stem == name)
    return found


def checked(path, name, **options):
    return check(Settings.of(inputs=(str(path),), preset=name, max_reject_rate=1, **options))


@pytest.fixture
def uploaded(tmp_path):
    """Return a function that uploads a file, and returns the summary and what arrived."""

    def send(path, **options):
        with Sandbox(key="key") as sandbox:
            settings = Settings.of(
                inputs=(str(path),),
                server=sandbox.url,
                api_key="key",
                state_dir=tmp_path / "state",
                rejects=str(tmp_path / "rejects.jsonl"),
                max_reject_rate=1,
                **options,
            )
            summary = upload(settings)
            assert summary.balanced
            return summary, list(sandbox.records())

    return send


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_fits_the_schema_and_says_what_it_is_for(name):
    compiled(name)

    assert preset_text(name).startswith("# ")
    assert preset_purpose(name).endswith(".")
    assert set(read_preset(name).options) <= {param.name for param in upload_command.params}


def test_every_preset_has_a_specimen():
    assert {path.stem for path in SPECIMENS.iterdir()} == set(preset_names()) == set(EXPECTED)


@pytest.mark.parametrize("name", preset_names())
def test_the_page_about_presets_has_a_session_of_each(name):
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    session = page.split(f"\n## {name}\n")[1].split("```")[1]
    command = session.removeprefix("console\n$ ").partition("\n")[0]

    assert shlex.split(command)[-3:] == ["--preset", name, "--dry-run"]


def test_the_mapping_on_the_page_about_presets_works(tmp_path):
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    mapping = shop_mapping(tmp_path, page.split("```toml\n")[1].split("```")[0])
    row = {"event_type": "paid", "event_time": "2024-05-01 08:00:00.000000", "device_id": "d"}
    history = tmp_path / "h.json"
    history.write_text(json.dumps({**row, "event_properties": {"item": "p"}}) + "\n")

    shown = json.loads(invoke(history, "-m", mapping, "--dry-run", "--json").stdout)

    assert (shown["totals"]["rows"], shown["totals"]["pending"]) == (1, 1)
    assert shown["types"] == {"checkout": 1}


def entity(name, **data):
    vendor = "com.snowplowanalytics.snowplow.ecommerce"
    return {"schema": f"iglu:{vendor}/{name}/jsonschema/1-0-0", "data": data}


def test_the_tsv_of_snowplow_itself_is_read_under_the_columns_of_the_page(tmp_path, golden):
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    mapping = shop_mapping(tmp_path, page.split("```toml\n")[2].split("```")[0])
    columns = tomllib.loads(Path(mapping).read_text("utf-8"))["options"]["columns"]
    entities = [
        entity("user", id="u-9"),
        entity("product", id="boot-7", quantity=2),
        entity("product", id="sock-2", quantity=1),
        entity("transaction", revenue=50.0),
        entity("page", id="no product"),
    ]
    cells = {
        "event_name": "snowplow_ecommerce_action",
        "derived_tstamp": "2024-05-01 08:02:00.500",
        "domain_userid": "d-1",
        "unstruct_event": json.dumps(entity("unstruct_event", **entity("x", type="transaction"))),
        "contexts": json.dumps({"schema": "iglu:x", "data": entities}),
    }
    assert set(cells) < set(columns)
    history = tmp_path / "part-0"
    history.write_text("\t".join(cells.get(name, "") for name in columns) + "\n")

    shown = invoke("preview", str(history), "-m", mapping, env={"COLUMNS": "72"}).stdout

    assert len(columns) == len(set(columns)) == 131
    assert shown.partition("-> ")[2].split("\n\n")[0] == golden


@pytest.mark.parametrize("name", EXPECTED)
def test_each_row_of_a_specimen_becomes_what_it_should(name, uploaded, golden):
    expected = EXPECTED[name]

    summary, records = uploaded(specimen(name), preset=name, **expected.get("options", {}))

    assert records == expected["records"]
    assert summary.totals.rejected == expected["rejected"]
    assert summary.findings.skipped.total() == expected["skipped"]
    assert dict(sorted(summary.findings.skipped.items())) == golden


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name in EXPECTED for path in EXPECTED[name]["real_files"]]
)
def test_a_real_file_comes_to_the_known_counts(name, path, shared_data):
    found = checked(shared_data / path, name)

    assert {
        "types": dict(found.findings.types),
        "rejected": found.totals.rejected,
        "skipped": found.findings.skipped.total(),
    } == EXPECTED[name]["real_files"][path]


def test_all_real_ratings_arrive_and_are_of_671_users(shared_data, uploaded):
    _, records = uploaded(shared_data / "media/ml-latest-small_ratings.csv", preset="movielens")

    assert [record["type"] for record in records] == ["rate"] * 100_004
    assert len({record["user_id"] for record in records}) == 671


# -- layers ----------------------------------------------------------------------------------------


def shop_mapping(tmp_path, text):
    path = tmp_path / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_mapping_file_wins_over_a_preset_and_options_over_both(tmp_path, uploaded):
    mapping = shop_mapping(
        tmp_path,
        """
        [attributes]
        product_ids = { template = "p-{product_id}" }
        user_id = { value = "of the file" }
        [[skip]]
        name = "other brands"
        column = "brand"
        not_in = ["acme"]
        """,
    )

    _, records = uploaded(
        specimen("rees46"), preset="rees46", mapping=mapping, set=("user_id=of the option",)
    )

    assert [record["type"] for record in records] == [
        "product_detail_page_view",
        "add_to_cart",
        "checkout",
    ]
    assert {tuple(record["product_ids"]) for record in records} == {("p-1004856",)}
    assert {record["user_id"] for record in records} == {"of the option"}


def test_skips_add_up_and_those_of_one_name_are_replaced():
    def skip(name, column):
        return f'[[skip]]\nname = "{name}"\ncolumn = "{column}"\nempty = true\n'

    lower = parse_mapping("lower", skip("a", "x") + skip("b", "x"))
    upper = parse_mapping("upper", skip("b", "y") + skip("c", "y"))

    both = overlaid(upper, lower)

    assert [(each.name, each.column) for each in both.skips] == [("a", "x"), ("b", "y"), ("c", "y")]


def test_routes_of_a_mapping_file_stand_instead_of_those_below():
    def route(match):
        options = "[options]\nstrict = true\nchunk_size = 5\n"
        return f'{options}[[routes]]\nmatch = "{match}"\ntype = "like"\n'

    lower = parse_mapping("lower", route("/low"))
    upper = parse_mapping("upper", route("/up").replace("chunk_size = 5", "chunk_size = 7"))

    assert overlaid(upper, lower).routing == upper.routing
    assert overlaid(parse_mapping("empty", ""), lower).routing == lower.routing
    assert overlaid(upper, lower).options == {"strict": True, "chunk_size": 7}


def test_a_copy_of_a_preset_maps_as_it_does(tmp_path):
    same = tmp_path / "copy.toml"
    same.write_text("# copied\n" + preset_text("rees46"), encoding="utf-8")

    assert read_preset("rees46").fingerprint == parse_mapping("x", same.read_text()).fingerprint
    assert read_preset("rees46").fingerprint != read_preset("movielens").fingerprint


def test_columns_that_a_vendor_may_leave_out_are_no_mistake(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("event_time,event_type,product_id,user_id\n2024-05-01T08:00:00Z,view,p,u\n")

    assert dict(checked(path, "rees46").findings.types) == {"product_detail_page_view": 1}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("event_time,event,product_id,user_id", "rees46"),
        ("userId,movieId,rating", "movielens"),
        ("userId,movieId,rating,timestamp", "snowplow"),
    ],
)
def test_a_file_of_another_vendor_is_told_by_what_it_lacks(header, name, golden):
    with pytest.raises(MappingError) as caught:
        compiled(name, tuple(header.split(",")))

    assert name in str(caught.value)
    assert str(caught.value) == golden


# -- the program -----------------------------------------------------------------------------------


def test_presets_are_listed_with_what_they_are_for(golden):
    shown = invoke("presets").stdout

    assert [line.split()[0] for line in shown.splitlines()[:-1]] == list(preset_names())
    assert preset_purpose("rees46") in shown
    assert shown == golden


def test_a_preset_is_printed_as_it_is_written():
    assert invoke("presets", "ga4-bigquery").stdout == preset_text("ga4-bigquery")


@pytest.mark.parametrize(
    "args", [("presets", "rees64"), ("x.csv", "--dry-run", "--preset", "rees64")]
)
def test_an_unknown_preset_is_told_with_the_nearest_name(args, golden):
    done = invoke(*args)

    assert done.exit_code == 2
    assert "rees46" in done.stderr
    assert done.stderr == golden


def test_an_unknown_preset_is_an_error_in_code_too():
    with pytest.raises(ConfigurationError) as caught:
        checked(specimen("segment"), "segmet")

    assert "segment" in str(caught.value)


def test_a_mapping_file_can_name_its_preset(tmp_path):
    mapping = shop_mapping(tmp_path, '[options]\npreset = "rees46"\ndry_run = true\n')

    for options in ({}, {"env": {"MISO_UPLOAD_MAPPING": mapping}}):
        args = () if options else ("-m", mapping)
        done = json.loads(invoke(specimen("rees46"), *args, "--json", **options).stdout)
        assert (done["totals"]["rows"], done["totals"]["rejected"]) == (5, 1)


def test_options_of_a_preset_give_way_to_those_of_a_mapping_file(tmp_path, monkeypatch):
    place = tmp_path / "presets"
    place.mkdir()
    (place / "own.toml").write_text('# For a test.\n[options]\ndelimiter = "|"\ndry_run = true\n')
    monkeypatch.setattr(resources, "files", lambda _: place)
    preset_names.cache_clear()
    history = tmp_path / "h.csv"
    history.write_text("type;user_id;timestamp\nhome_page_view;u;2024-05-01T08:00:00Z\n")
    mapping = shop_mapping(tmp_path, '[options]\ndelimiter = ";"\n')

    try:
        orders = (("--preset", "own", "-m", mapping), ("-m", mapping, "--preset", "own"))
        shown = [json.loads(invoke(history, *args, "--json").stdout) for args in orders]
    finally:
        preset_names.cache_clear()
        read_preset.cache_clear()

    assert [each["totals"]["pending"] for each in shown] == [1, 1]


def test_specimens_hold_documentation_addresses_only():
    for path in SPECIMENS.glob("*.json*"):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found = {str(value) for key, value in row.items() if "ip" in key and value}
            assert all("192.0.2." in each or "." not in each for each in found)
