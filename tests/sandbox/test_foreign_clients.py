"""Clients of Miso that other people wrote, talking to the sandbox.

What they take for success and for refusal is what the sandbox has to say. They bring dependencies
that do not go with ours, so they live in an environment of their own: its interpreter is named by
MISO_UPLOAD_CLIENTS_PYTHON. Without that, they are looked for in ours.
"""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.helpers.requests_to_sandbox import BAD, GOOD

HOME = os.environ.get("MISO_UPLOAD_CLIENTS_PYTHON") or None
PYTHON = HOME or sys.executable

MISO_SDK = """
import json, sys
from miso.sdk import ApiClient, ApiException

told = json.load(sys.stdin)
client = ApiClient(told["key"], host=told["url"], raise_on_error=True)
for record in told["records"]:
    try:
        print(json.dumps([200, client.interaction.upload(data=[record])]))
    except ApiException as refusal:
        print(json.dumps([refusal.status_code, refusal.response]))
"""


def run(arguments, text):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [PYTHON, *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env=environment,
    )


def needs(package, module):
    """Skip the test where nobody claims that the client is installed."""
    if HOME is None and importlib.util.find_spec(module) is None:
        pytest.skip(f"{package} is not installed here, nor is MISO_UPLOAD_CLIENTS_PYTHON set")


def test_miso_sdk_uploads_a_good_record_and_understands_the_refusal_of_a_bad_one(sandbox):
    needs("miso-sdk", "miso")
    told = {"url": sandbox.url, "key": sandbox.key, "records": [GOOD, BAD]}

    output = run(["-c", MISO_SDK], json.dumps(told)).stdout

    good, bad = map(json.loads, output.splitlines())
    assert good == [200, {"message": "success"}]
    assert bad[0] == 422
    assert bad[1]["data"][0].startswith("data.0.product_ids ")
    assert list(sandbox.records()) == [GOOD]


def test_miso_sdk_understands_that_its_key_is_wrong(sandbox):
    needs("miso-sdk", "miso")
    told = {"url": sandbox.url, "key": "wrong", "records": [GOOD]}

    output = run(["-c", MISO_SDK], json.dumps(told)).stdout

    status, body = json.loads(output)
    assert (status, list(body)) == (401, ["message"])


@pytest.fixture
def target_miso(sandbox, tmp_path):
    """Return a function that pipes records through target-miso and returns what it logs."""
    needs("target-miso", "target_miso")
    (tmp_path / "likes.jinja").write_text("{{ data | jsonify }}")
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {"api_server": sandbox.url, "api_key": sandbox.key, "template_folder": str(tmp_path)}
        )
    )

    def pipe(*records):
        schema = {"type": "SCHEMA", "stream": "likes", "schema": {}, "key_properties": []}
        rows = [{"type": "RECORD", "stream": "likes", "record": record} for record in records]
        text = "".join(json.dumps(message) + "\n" for message in [schema, *rows])
        return run(["-m", "target_miso.target", "--config", str(config)], text).stderr

    return pipe


def test_target_miso_uploads_good_records(sandbox, target_miso):
    log = target_miso(GOOD, {**GOOD, "type": "share"})

    assert '{"message":"success"}' in log
    assert [record["type"] for record in sandbox.records()] == ["like", "share"]


def test_target_miso_finds_the_bad_record_in_the_refusal(sandbox, target_miso):
    log = target_miso(GOOD, {**BAD, "user_id": "u2"}, GOOD)

    assert "Data record [1/3]" in log
    assert "Data record [0/3]" not in log
    assert list(sandbox.records()) == []
