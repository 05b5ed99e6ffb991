"""Runs an S3 server, and web servers with and without range requests, on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import obstore
from obstore.store import S3Store

BUCKET = "history"
_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


class Bucket:
    """A bucket of an S3 server, and the environment variables to read from it."""

    def __init__(self, port):
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
        }
        self._store = S3Store(
            BUCKET,
            endpoint=f"http://127.0.0.1:{port}",
            access_key_id="testing",
            secret_access_key="testing",
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def put(self, key, data):
        """Store an object; return its URL."""
        obstore.put(self._store, key, data)
        return f"s3://{BUCKET}/{key}"


@contextmanager
def s3_server():
    """Start an S3 server in a separate process; yield a bucket."""
    environment = {name: value for name, value in os.environ.items() if "AWS" not in name}
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        port = int(process.stdout.readline())
        _create_bucket(port)
        yield Bucket(port)
    finally:
        process.communicate()


def _create_bucket(port):
    for _ in range(100):
        with suppress(OSError):
            request = Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
            return urlopen(request).close()
        time.sleep(0.1)
    raise AssertionError("the store does not start")


class Pages:
    """The pages and the behaviour of a web server, and the requests that it received."""

    def __init__(self):
        self.pages = {}
        self.parts = True
        self.tag = '"1"'
        self.status = 200
        self.fails = 0
        self.breaks = 0
        self.drips = 0
        self.on_request = lambda: None
        self.requests = []


class _Handler(BaseHTTPRequestHandler):
    pages = Pages()
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        pages = self.pages
        pages.requests.append((self.path, self.headers.get("Range")))
        pages.on_request()
        data = pages.pages.get(urlsplit(self.path).path)
        if pages.fails:
            pages.fails -= 1
            return self._answer(503, b"busy")
        if pages.status != 200 or data is None:
            return self._answer(404 if data is None else pages.status, b"secret-of-server")
        part = self.headers.get("Range")
        if part is None or not pages.parts:
            return self._answer(200, data)
        start, _, end = part.removeprefix("bytes=").partition("-")
        start, end = int(start), min(int(end), len(data) - 1)
        if start >= len(data):
            return self._answer(416, b"", part=f"bytes */{len(data)}")
        return self._answer(206, data[start : end + 1], part=f"bytes {start}-{end}/{len(data)}")

    def _answer(self, status, body, part=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if part:
            self.send_header("Content-Range", part)
        if self.pages.tag:
            self.send_header("ETag", self.pages.tag)
        self.end_headers()
        if self.pages.breaks:
            self.pages.breaks -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        with suppress(OSError):  # the client has disconnected
            if self.pages.drips:
                self.pages.drips -= 1
                self.wfile.write(body[:40])
                self._drip(body[40:])
            else:
                self.wfile.write(body)

    def _drip(self, body):
        """Send one byte at a time, with pauses."""
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            time.sleep(0.02)

    def log_message(self, *_):
        pass


@contextmanager
def web_server():
    """Run a web server on this machine; yield its address and its pages."""
    pages = Pages()

    handler = type("Handler", (_Handler,), {"pages": pages})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", pages
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
