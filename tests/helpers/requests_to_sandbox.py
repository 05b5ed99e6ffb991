"""What the tests of the sandbox say to it."""

import socket
from urllib.parse import urlsplit

import requests

PATH = "/v1/interactions"
GOOD = {"type": "like", "user_id": "u1", "timestamp": "2025-03-01T09:30:00Z"}
BAD = {"type": "like", "product_ids": "P1"}


def post(sandbox, *records, **options):
    """Upload records, as most clients would."""
    return send(sandbox, json={"data": list(records)}, **options)


def send(sandbox, *, key=None, params=None, timeout=10, headers=None, **body):
    params = {"api_key": sandbox.key if key is None else key, **(params or {})}
    return requests.post(
        sandbox.url + PATH,
        params=params,
        headers={"Connection": "close", **(headers or {})},
        timeout=timeout,
        **body,
    )


def get(sandbox, path="/", **headers):
    return requests.get(sandbox.url + path, headers={"Connection": "close", **headers}, timeout=10)


def address(sandbox):
    parts = urlsplit(sandbox.url)
    return parts.hostname, parts.port


def connect(sandbox):
    return socket.create_connection(address(sandbox), timeout=10)
