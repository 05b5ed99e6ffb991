"""Faults in which not one byte of a request reached Miso."""

import socket

import pytest

from .conftest import KEY
from .misbehaving import Do, Say

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


def stopped_before_anything(job, url, *options):
    run = job.upload(url, *options)
    assert run.code == 3, run
    assert job.status() == (2, 0, 0, 0, 2, 0)
    assert "gave up after 2 attempts" in run.err
    assert "2 rows wait to be sent: run the same command again" in run.out
    return run.err


def test_a_refused_connection(job, serve):
    server = serve()
    server.close()

    said = stopped_before_anything(job, server.url)

    assert f"cannot connect to 127.0.0.1:{server.port}: Connection refused; check --server" in said
    job.must_finish(serve(port=server.port))


def test_a_refused_connection_in_the_middle(job, serve):
    """Everything was fine, and then nobody is there any more."""
    server = serve()

    def last_answer(records):
        server.stop_listening()
        return Say(headers={"Connection": "close"}, keep=True)

    server.then = last_answer

    said = job.must_stop(server)

    assert f"cannot connect to 127.0.0.1:{server.port}: Connection refused; check --server" in said
    again = serve(port=server.port)
    again.held = server.held
    job.must_finish(again)


def test_a_name_that_cannot_be_resolved(job, serve, names):
    server = serve()
    url = f"http://{UNUSED_NAME}:{server.port}"

    said = stopped_before_anything(job, url, "--allow-insecure-http")

    assert f"the name {UNUSED_NAME}:{server.port} cannot be resolved" in said
    assert "check the network, --server" in said
    names.add(UNUSED_NAME)
    assert job.upload(url, "--allow-insecure-http").code == 0
    assert server.numbers == [1, 2, 3, 4, 5, 6]


def test_a_certificate_that_nobody_vouches_for(job, serve, tls, monkeypatch):
    context, certificate = tls
    server = serve(tls=context)

    said = stopped_before_anything(job, server.url)

    assert f"no secure connection to localhost:{server.port}: certificate verify failed" in said
    assert "check its certificate" in said
    assert server.heard == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    job.must_finish(server)


def test_a_proxy_that_is_not_there(job, serve, monkeypatch):
    proxy = serve()
    proxy.close()
    monkeypatch.setenv("HTTP_PROXY", f"http://me:sentinel-password@127.0.0.1:{proxy.port}")
    url = f"http://{UNUSED_NAME}"

    said = stopped_before_anything(job, url, "--allow-insecure-http")

    proxied = f"the proxy 127.0.0.1:{proxy.port} on the way to {UNUSED_NAME} failed"
    assert f"{proxied}; check HTTP_PROXY and NO_PROXY" in said
    assert "sentinel-password" not in said
    again = serve(port=proxy.port)
    assert job.upload(url, "--allow-insecure-http").code == 0
    assert again.numbers == [1, 2, 3, 4, 5, 6]


def test_a_proxy_that_refuses_to_connect(job, serve, monkeypatch):
    def refuse(connection, _over):
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    proxy = serve(then=Do(refuse))
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:sentinel-password@127.0.0.1:{proxy.port}")

    said = stopped_before_anything(job, f"https://{UNUSED_NAME}")

    proxied = f"the proxy 127.0.0.1:{proxy.port} on the way to {UNUSED_NAME} failed (407)"
    assert f"{proxied}; check HTTPS_PROXY and NO_PROXY" in said
    assert "sentinel-password" not in said
    assert len(proxy.heard) == 2
    assert KEY not in repr(proxy.heard)
