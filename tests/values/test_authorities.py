"""One setting names the certificate authorities that uploads and remote inputs trust."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from miso_upload.errors import ConfigurationError
from miso_upload.values.certificates import VARIABLES, Authorities, trusted_authorities
from tests.helpers.certificates import signed_by_private_authority
from tests.helpers.rows import counts_in, row

pytest.importorskip("obstore")

HISTORY = "".join(f"{json.dumps(row(number))}\n" for number in range(3)).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(HISTORY)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b'{"message": "success"}')

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """Return the URL of a TLS server, and the file of the authority that signed it."""
    context, authority = signed_by_private_authority(tmp_path_factory.mktemp("tls"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}", authority
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def upload(private, run, tmp_path):
    """Return a function that uploads a history from the server to the server."""
    url, _ = private
    others = {name: value for name, value in os.environ.items() if name not in VARIABLES}

    def upload_with(**variables):
        environ = {**others, "MISO_API_KEY": "k", "NO_PROXY": "localhost"}
        environ |= {name: str(value) for name, value in variables.items()}
        return run(
            f"{url}/history.jsonl", "--server", url, "--max-attempts", 1,
            cwd=tmp_path, env=environ,
        )  # fmt: skip

    return upload_with


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_authority_is_trusted_for_inputs_and_uploads(variable, private, upload):
    done = upload(**{variable: private[1]})

    assert done.returncode == 0, done
    assert counts_in(done.stdout)[:2] == [3, 3]


def test_without_a_setting_a_private_authority_is_not_trusted_and_the_setting_is_named(
    upload, golden
):
    done = upload()

    assert done.returncode != 0
    assert done.stderr == golden


def test_the_first_variable_that_is_set_counts(private, upload, tmp_path, golden):
    other = tmp_path / "other.pem"
    other.write_text("no certificate")

    done = upload(REQUESTS_CA_BUNDLE="", CURL_CA_BUNDLE=private[1], SSL_CERT_FILE=private[1])
    assert done.returncode == 0, done

    done = upload(REQUESTS_CA_BUNDLE=other, CURL_CA_BUNDLE=private[1])
    assert done.returncode == 2
    assert done.stderr == golden


def test_a_file_that_is_not_there_is_named_with_its_variable(upload, tmp_path, golden):
    done = upload(SSL_CERT_FILE=tmp_path / "nothing.pem")

    assert done.returncode == 2
    assert "SSL_CERT_FILE" in done.stderr
    assert done.stderr == golden
    assert "Traceback" not in done.stderr


def test_a_directory_of_certificates_is_accepted(private, tmp_path):
    text = private[1].read_bytes()
    (tmp_path / "a.pem").write_bytes(text)
    (tmp_path / "README").write_text("about these files")
    (tmp_path / "more").mkdir()

    assert Authorities("SSL_CERT_FILE", str(tmp_path)).text() == text


@pytest.mark.parametrize("path", ["nul\0byte", "x" * 5000, "/dev/null"])
def test_a_path_without_certificates_is_a_configuration_error(path):
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        Authorities("REQUESTS_CA_BUNDLE", path).text()


def test_there_are_no_authorities_without_a_variable(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    assert trusted_authorities() is None
