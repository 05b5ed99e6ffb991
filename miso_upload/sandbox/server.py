"""Starts and stops the sandbox, in a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import secrets
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from miso_upload.errors import SandboxError
from miso_upload.sandbox.app import (
    DEFAULT_MAX_BODY_BYTES,
    EXTENSION,
    InteractionsEndpoint,
    build_app,
)
from miso_upload.sandbox.faults import FaultDraw, Faults
from miso_upload.sandbox.refusals import RefusalReporter
from miso_upload.sandbox.store import Store
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType, TracebackType

    from miso_upload.records import Record
    from miso_upload.sandbox.app import RequestCallback
    from miso_upload.transform.schema.schema import Schema

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75
_TICK_SECONDS = 0.1
_LAST_PORT = 65535
# Not registered with `logging.getLogger`, so the logging of the program that runs the sandbox does
# not affect it. uvicorn would log the query, which contains the key.
_SILENT = logging.Logger("miso_upload.sandbox.http", logging.CRITICAL + 1)  # noqa: LOG001


class Sandbox:
    """A mock server of Miso's interaction endpoint.

    It runs in its own thread, as a context manager or from `start` to `stop`, and listens only on
    the loopback interface. `counts` and `records` work before, during and after that. After a
    restart, it has the same address and the same store.
    """

    def __init__(  # noqa: PLR0913 -- each is one setting of the server
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        key: str | None = None,
        store: Path | None = None,
        faults: Faults | None = None,
        schema: Schema | None = None,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        on_request: RequestCallback | None = None,
    ) -> None:
        """Make a sandbox; `start` makes it listen.

        Args:
            host: An address of the loopback interface, or localhost.
            port: The port; 0 for any free port.
            key: The API key that it accepts; random by default.
            store: The SQLite file to store everything in; memory by default.
            faults: The faults that it injects; none by default.
            schema: The schema to validate records against; the shipped schema by default.
            max_body_bytes: The limit of a request body; larger bodies are answered with 413.
            on_request: Called for each upload, in the sandbox's thread.

        Raises:
            SandboxError: The host is not a loopback address, or the store cannot be used.
        """
        if key == "":
            raise SandboxError("The key of the sandbox is empty. Omit it to get a random key.")
        self._host, self._port = _loopback(host), port
        self._key = key or f"sandbox-{secrets.token_urlsafe(18)}"
        self._store = Store(store)
        schema = schema or shipped_schema()
        self._endpoint = InteractionsEndpoint(
            self._key,
            self._store,
            RefusalReporter(schema, RecordValidator(schema, needs_timestamp=False, needs_id=False)),
            draw=FaultDraw(faults or Faults()),
            max_body_bytes=max_body_bytes,
        )
        self._endpoint.on_request = on_request
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} {'running' if self.running else 'stopped'}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL of the server, such as `http://127.0.0.1:8642`; port 0 before the first start."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def key(self) -> str:
        """The API key that it accepts."""
        return self._key

    @property
    def running(self) -> bool:
        """Whether it accepts connections."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def faults(self) -> Faults:
        """The faults that it injects; a new value applies from the next request on."""
        return self._endpoint.draw.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._endpoint.draw = FaultDraw(faults)

    def counts(self) -> dict[str, Any]:
        """Return the counts so far, as `GET /` does."""
        return self._store.counts()

    def records(self) -> Iterator[Record]:
        """Yield the accepted records, in the order of their arrival."""
        return self._store.records()

    def start(self) -> Self:
        """Start the server and return once it accepts connections; do nothing if it is running.

        Raises:
            SandboxError: The port is in use or not allowed.
        """
        if self.running:
            return self
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        server = _Server(_config(self._endpoint))
        self._thread = threading.Thread(
            target=_run, args=(server, listener), name="miso-upload-sandbox", daemon=True
        )
        self._thread.start()
        while not server.running.wait(_TICK_SECONDS):
            if not self._thread.is_alive():
                raise SandboxError("The sandbox stopped during its start.")
        self._server = server
        return self

    def stop(self) -> None:
        """Stop listening and cut all connections; do nothing if it is not running."""
        if self._server is not None and self._thread is not None:
            self._server.stop_soon()
            self._thread.join()
            self._store.checkpoint()
        self._server = self._thread = None


def serve(sandbox: Sandbox, *, on_start: Callable[[Sandbox], None]) -> None:
    """Run a sandbox until SIGINT or SIGTERM, in the main thread.

    `on_start` is called once the sandbox accepts connections.

    Raises:
        SandboxError: The port is in use or not allowed.
    """
    stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with sandbox:
            on_start(sandbox)
            # An Event would be simpler, but setting one in a signal handler can deadlock.
            while sandbox.running and not stopped:
                time.sleep(_TICK_SECONDS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """uvicorn's server without a grace period, so that it stops within milliseconds."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.running = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._woken: asyncio.Event

    def stop_soon(self) -> None:
        """Ask a running server to stop; any thread may call this."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: it stopped by itself
            self._loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        """Do uvicorn's housekeeping until asked to stop."""
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self.running.set()
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._woken.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, cut all connections, and cancel all requests."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        # A connection that was just accepted is not in the list yet.
        await asyncio.sleep(_TICK_SECONDS / 10)
        connections, tasks = self.server_state.connections, self.server_state.tasks
        while connections or tasks:
            for connection in list(connections):
                connection.transport.abort()
            for task in list(tasks):
                task.cancel()
            await asyncio.sleep(0)


class _Protocol(H11Protocol):
    """uvicorn's HTTP protocol without logging, and with a way to cut the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- uvicorn's own
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = self.access_logger = _SILENT

    def handle_events(self) -> None:
        """Add the extension to the scope of a new request, if there is one.

        The event loop calls the application after this returns.
        """
        super().handle_events()
        if self.scope is not None:
            self.scope["extensions"] = {EXTENSION: {"cut": self.transport.abort}}


def _config(endpoint: InteractionsEndpoint) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(endpoint),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        workers=1,  # otherwise the environment decides
    )


def _run(server: _Server, listener: socket.socket) -> None:
    with listener:
        asyncio.run(server.serve(sockets=[listener]))


def _loopback(host: str) -> str:
    """Return `host` as a loopback address."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise SandboxError(
        f"{host} is not a loopback address; the sandbox listens only on 127.0.0.1, ::1 or"
        " localhost."
    )


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _LAST_PORT:
        raise SandboxError(f"--port {port}: the port must be from 0 (any free port) to 65535.")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if sys.platform != "win32":  # where this would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise SandboxError(
            f"Port {port} of {host} {why}; choose another port with --port, or 0 for any free port."
        ) from None
    return listener
