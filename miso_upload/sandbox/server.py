"""The sandbox as something to start and stop, in a thread of this process."""

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
from miso_upload.sandbox.app import DEFAULT_MAX_BODY_BYTES, EXTENSION, Desk, build_app
from miso_upload.sandbox.faults import FaultDraw, Faults
from miso_upload.sandbox.refusals import Critic
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
# Not known to `logging.getLogger`, so it takes nothing from, and gives nothing to, the logging of
# the program that the sandbox runs in. uvicorn would log the query, and the key is in the query.
_SILENT = logging.Logger("miso_upload.sandbox.http", logging.CRITICAL + 1)  # noqa: LOG001


class Sandbox:
    """A local double of Miso's interaction endpoint.

    It runs in a thread of its own, as a context manager or from `start` to `stop`, on the loopback
    interface only. What it was sent can be looked at before, during and after. Started again, it
    is found at the same address and goes on with the same store.
    """

    def __init__(  # noqa: PLR0913 -- each is one knob of the double
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
            port: 0 for any that is free.
            key: The key it accepts; random if left out.
            store: The SQLite file to keep everything in; without it, memory.
            faults: How it misbehaves; not at all if left out.
            schema: What it judges by; the shipped one if left out.
            max_body_bytes: Larger bodies are answered 413.
            on_request: Called for each upload, in the sandbox's thread.

        Raises:
            SandboxError: The address is not of this machine alone, or the store cannot be used.
        """
        if key == "":
            raise SandboxError("The key of the sandbox is empty; leave it out to get a random one.")
        self._host, self._port = _loopback(host), port
        self._key = key or f"sandbox-{secrets.token_urlsafe(18)}"
        self._store = Store(store)
        schema = schema or shipped_schema()
        self._desk = Desk(
            self._key,
            self._store,
            Critic(schema, RecordValidator(schema, needs_timestamp=False, needs_id=False)),
            draw=FaultDraw(faults or Faults()),
            max_body_bytes=max_body_bytes,
        )
        self._desk.on_request = on_request
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
        """Where it listens, such as `http://127.0.0.1:8642`; port 0 until it first starts."""
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
        """How it misbehaves; set it to change that from the next request on."""
        return self._desk.draw.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._desk.draw = FaultDraw(faults)

    def counts(self) -> dict[str, Any]:
        """Return what it has seen so far: the same as `GET /` tells."""
        return self._store.counts()

    def records(self) -> Iterator[Record]:
        """Yield the records that it accepted, in the order of their arrival."""
        return self._store.records()

    def start(self) -> Self:
        """Return once it accepts connections; does nothing if it does already.

        Raises:
            SandboxError: The port is taken or not allowed.
        """
        if self.running:
            return self
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        server = _Server(_config(self._desk))
        self._thread = threading.Thread(
            target=_run, args=(server, listener), name="miso-upload-sandbox", daemon=True
        )
        self._thread.start()
        while not server.running.wait(_TICK_SECONDS):
            if not self._thread.is_alive():
                raise SandboxError("The sandbox's server ended before it began.")
        self._server = server
        return self

    def stop(self) -> None:
        """Stop listening and cut all connections; does nothing if it is not running."""
        if self._server is not None and self._thread is not None:
            self._server.stop_soon()
            self._thread.join()
            self._store.checkpoint()
        self._server = self._thread = None


def serve(sandbox: Sandbox, *, on_start: Callable[[Sandbox], None]) -> None:
    """Run a sandbox until SIGINT or SIGTERM; for the main thread.

    `on_start` is called once it accepts connections, to say where it is found.

    Raises:
        SandboxError: The port is taken or not allowed.
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
    """uvicorn's server, stopped within milliseconds: a rehearsal has no use for a grace period."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.running = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._woken: asyncio.Event

    def stop_soon(self) -> None:
        """Ask the server, from any thread, to stop; only once it is running."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: it stopped by itself
            self._loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        """Wait until asked to stop, doing uvicorn's housekeeping in between."""
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
        """Stop listening, cut all connections, and drop what was being answered."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        # What was accepted in this very moment is not yet among the connections.
        await asyncio.sleep(_TICK_SECONDS / 10)
        connections, tasks = self.server_state.connections, self.server_state.tasks
        while connections or tasks:
            for connection in list(connections):
                connection.transport.abort()
            for task in list(tasks):
                task.cancel()
            await asyncio.sleep(0)


class _Protocol(H11Protocol):
    """uvicorn's HTTP, without its log lines, and with a way for the application to hang up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- uvicorn's own
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = self.access_logger = _SILENT

    def handle_events(self) -> None:
        """Add the extension to the scope of the request that begins, if one does.

        The application is called after this returns, by the event loop.
        """
        super().handle_events()
        if self.scope is not None:
            self.scope["extensions"] = {EXTENSION: {"cut": self.transport.abort}}


def _config(desk: Desk) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(desk),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        workers=1,  # or the environment decides
    )


def _run(server: _Server, listener: socket.socket) -> None:
    with listener:
        asyncio.run(server.serve(sockets=[listener]))


def _loopback(host: str) -> str:
    """Return `host` as an address of the loopback interface."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise SandboxError(
        f"{host} is not an address of this machine alone; the sandbox listens on 127.0.0.1, ::1"
        " or localhost only."
    )


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _LAST_PORT:
        raise SandboxError(f"--port {port}: a port is a number from 0 (any that is free) to 65535.")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if sys.platform != "win32":  # where it would mean sharing a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise SandboxError(
            f"Port {port} of {host} {why}; choose another with --port, or 0 for any that is free."
        ) from None
    return listener
