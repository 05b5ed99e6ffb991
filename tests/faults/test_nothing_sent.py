"""Faults in which not one byte of a request reached Miso."""

import socket

import pytest

from tests.faults.conftest import KEY
from tests.helpers.misbehaving import Do, Say
from tests.helpers.rows import last_line

UNUSED_NAME = "miso.test"


@pytest.fixture
def names(monkeypatch):
    """Names that stand for this machine, as long as they are in this set."""
    known = set()
    resolve = socket.getaddrinfo

    def lookup(host, *args, **options):
        if host == UNUSED_NAME and host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1" if host == UNUSED_NAME else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return known


def stopped_before_anything(job, golden, url, *options):
    run = job.upload(url, *options)
    assert run.code == 3, run
    assert job.status() == (2, 0, 0, 0, 2, 0)
    assert run.out == golden
    return run.err


def test_a_refused_connection(job, serve, golden):
    server = serve()
    server.close()

    said = stopped_before_anything(job, golden, server.url)

    assert last_line(said) == golden
    job.must_finish(serve(port=server.port))


def test_a_refused_connection_during_the_run(job, serve, golden):
    """Everything was fine, and then nobody is there any more."""
    server = serve()

    def last_answer(records):
        server.stop_listening()
        return Say(headers={"Connection": "close"}, keep=True)

    server.then = last_answer

    said = job.must_stop(server)

    assert last_line(said) == golden
    again = serve(port=server.port)
    again.held = server.held
    job.must_finish(again)


def test_an_unresolvable_host_name(job, serve, names, golden):
    server = serve()
    url = f"http://{UNUSED_NAME}:{server.port}"

    said = stopped_before_anything(job, golden, url, "--allow-insecure-http")

    assert last_line(said) == golden
    names.add(UNUSED_NAME)
    assert job.upload(url, "--allow-insecure-http").code == 0
    assert server.numbers == [1, 2, 3, 4, 5, 6]


def test_an_untrusted_certificate(job, serve, tls, monkeypatch, golden):
    context, certificate = tls
    server = serve(tls=context)

    said = stopped_before_anything(job, golden, server.url)

    assert last_line(said) == golden
    assert server.heard == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    job.must_finish(server)


def test_an_unreachable_proxy(job, serve, monkeypatch, golden):
    proxy = serve()
    proxy.close()
    monkeypatch.setenv("HTTP_PROXY", f"http://me:sentinel-password@127.0.0.1:{proxy.port}")
    url = f"http://{UNUSED_NAME}"

    said = stopped_before_anything(job, golden, url, "--allow-insecure-http")

    assert last_line(said) == golden
    assert "sentinel-password" not in said
    again = serve(port=proxy.port)
    assert job.upload(url, "--allow-insecure-http").code == 0
    assert again.numbers == [1, 2, 3, 4, 5, 6]


def test_a_refusing_proxy(job, serve, monkeypatch, golden):
    def refuse(connection, _over):
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    proxy = serve(then=Do(refuse))
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:sentinel-password@127.0.0.1:{proxy.port}")

    said = stopped_before_anything(job, golden, f"https://{UNUSED_NAME}")

    assert last_line(said) == golden
    assert "sentinel-password" not in said
    assert len(proxy.heard) == 2
    assert KEY not in repr(proxy.heard)
