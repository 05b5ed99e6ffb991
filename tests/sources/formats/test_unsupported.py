import gzip
import json

import pytest

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.unsupported import binary_kind, log_kind, wrapper
from tests.helpers.reading import read, read_file

NGINX_ERROR = (
    '2023/10/10 13:55:36 [error] 1234#0: *5 open() "/srv/x" failed (2: No such file), client: '
    '192.0.2.1, server: www.example, request: "GET /x HTTP/1.1"\n'
)
OTHER_LOGS = {
    "nginx errors": NGINX_ERROR,
    "Apache errors": (
        "[Tue Oct 10 13:55:36.123 2023] [core:error] [pid 1] [client 192.0.2.1:1] AH00128: x, y\n"
    ),
    "syslog": "Oct 10 13:55:36 web1 sshd[1]: Failed password for root, again\n",
    "syslog of the kernel": "Oct  1 13:55:36 web1 kernel: eth0: link up, 1000 Mbps\n",
    "syslog of RFC 5424": "<34>1 2023-10-10T13:55:36.003Z web1 su - ID47 - x, y\n",
    "syslog with ISO times": "2023-10-10T13:55:36.123+02:00 web1 cron[1]: x, y\n",
    "Python": "2023-10-10 13:55:36,123 - shop - INFO - started, at last\n",
    "Monolog": "[2023-10-10 13:55:36] production.ERROR: x, y\n",
    "Python without times": "WARNING:root:x, y\n",
}


@pytest.mark.parametrize("name", OTHER_LOGS)
@pytest.mark.parametrize("asked", [None, "log"])
def test_a_log_without_requests_is_refused_by_name(name, asked, golden):
    with pytest.raises(ConfigurationError) as caught:
        read(OTHER_LOGS[name].encode() * 20, format=asked)

    assert str(caught.value) == golden


def test_a_file_that_is_not_a_log_is_refused_as_a_log(golden):
    with pytest.raises(ConfigurationError) as caught:
        read(b"a,b\n1,2\n", format="log")

    assert str(caught.value) == golden


@pytest.mark.parametrize("rows", ["a,b\n1,2\n", "date,x\n2023-10-10 10:00:00,ERROR\n"])
def test_a_table_is_not_a_log(rows):
    assert log_kind(rows.encode()) is None
    assert len(read(rows.encode()).rows) == 1


def test_requests_among_other_lines_are_detected_as_an_access_log():
    line = '192.0.2.1 - - [10/Oct/2023:13:55:36 -0700] "GET / HTTP/1.1" 200 1\n'
    found = read(f"{NGINX_ERROR}{line}{NGINX_ERROR}".encode())

    assert [line for line, _ in found.rows] == [2]
    assert [line for line, _ in found.reasons] == [1, 3]


@pytest.mark.parametrize(
    "data", [b"\x01\x02\x00\x03" * 3, "a,b,cĀ\n".encode("utf-16-le")], ids=["binary", "UTF-16"]
)
def test_binary_input_is_refused_by_its_kind(data, golden):
    with pytest.raises(ConfigurationError) as caught:
        read(data)

    assert str(caught.value) == golden


def test_a_nul_in_a_row_is_accepted_if_the_format_is_given():
    assert binary_kind(b"a,b\n1,\x00\n", sure=True) is None
    assert read(b"a,b\n1,\x00\n", format="csv").values == [{"a": "1", "b": "\x00"}]
    assert read(b'{"a":1}\n{"a":2}\n').values == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("value", "indent"),
    [
        ({"data": [{"a": 1}, {"a": 2}]}, None),
        ({"data": [{"a": 1}, {"a": 2}]}, 2),
        ({"records": [{"a": 1}], "total": 1}, 2),
        ({"data": []}, None),
    ],
)
def test_an_object_around_the_records_is_refused_with_its_path(
    tmp_path, value, indent, pack, golden
):
    path = tmp_path / "x.json"
    path.write_bytes(pack(json.dumps(value, indent=indent).encode()))
    key = next(iter(value))

    with pytest.raises(ConfigurationError) as caught:
        read_file(path)

    assert f"--items {key} " in str(caught.value)
    assert str(caught.value) == golden


@pytest.mark.parametrize(
    "text",
    [
        b'{"items":[{"sku":1}],"type":"checkout"}\n',
        b'{"data":[{"a":1}]}\n{"data":[{"a":2}]}\n',
        b'{"data":[1,2]}\n',
        b'{"data":{"a":[]}}\n',
        b'{"a":1}\n',
    ],
)
def test_rows_that_contain_arrays_are_rows(text):
    assert len(read(text).rows) == text.count(b"\n")


def test_format_jsonl_reads_each_line_as_a_record():
    assert read(b'{"data":[{"a":1}]}\n', format="jsonl").values == [{"data": [{"a": 1}]}]


def test_a_long_line_is_not_mistaken_for_the_whole_input():
    line = b'{"rows":[{"a":1}],"x":"' + b"x" * 70_000 + b'"}\n'

    assert len(read(line * 2).rows) == 2
    assert wrapper(line[:65_536], whole=False) is None
