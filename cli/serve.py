"""`sd-b64 serve`: HTTP, the websocket and, where no real server is to be had, the built-in engine."""

import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import engine.server
import httpserver.server
import wsserver.server
from cli.greeting import Served, greeting, reachable
from core import (
    USUAL,
    BackendAddress,
    Caller,
    Found,
    Settings,
    SettingsError,
    check_exposure,
    connect,
    discover,
    open_session,
    stop_signal,
)

NEAR = 20
"""How many ports after the default one are tried."""
TAKEN = {errno.EADDRINUSE, errno.EACCES, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)}


async def serve(settings: Settings) -> None:
    """Serve until a signal comes, then end in good order. Raises SettingsError."""
    check_exposure(settings, "HTTP_HOST", settings.http_host)
    check_exposure(settings, "WS_HOST", settings.ws_host)
    async with (
        _painting(settings) as (painted, note),
        connect(painted) as gateway,
        _listen(
            painted,
            "HTTP_PORT",
            # Its own pages are those of the port that it got, not of the program that took the default one.
            lambda port: httpserver.server.listen(gateway, replace(painted, http_port=port), port=port),
        ) as http,
        # The websocket lets in pages of our own HTTP port: so that one is settled first.
        _listen(
            painted,
            "WS_PORT",
            lambda port: wsserver.server.listen(gateway, replace(painted, http_port=http), port=port),
        ) as ws,
        stop_signal() as stop,
    ):
        status = await gateway.status(Caller("serve"))
        print(greeting(Served(settings, http, ws, status, note)), flush=True)
        await stop.wait()
        print("stopping: what is being painted is finished first (Ctrl-C again: at once)", flush=True)
        await gateway.drain(settings.shutdown_grace)


@asynccontextmanager
async def _painting(settings: Settings) -> AsyncIterator[tuple[Settings, str]]:
    """The settings with something that paints: what is named, what is found, or the engine; and why."""
    if settings.sd_backends:
        yield settings, ""
        return
    async with open_session() as session:
        found = await discover(session)
    if found is Found.A1111:
        yield settings.with_backends(BackendAddress(USUAL)), "found on its usual port"
        return
    note = "what listens on port 7860 has no /sdapi: start it with --api" if found is Found.OTHER else ""
    check_exposure(settings, "ENGINE_HOST", settings.engine_host)
    host, seconds = settings.engine_host, settings.engine_step_seconds
    async with _listen(
        settings, "ENGINE_PORT", lambda port: engine.server.serve(host, port, seconds)
    ) as bound:
        reached = reachable(host)
        yield settings.with_backends(BackendAddress(f"http://{reached}:{bound}")), note


@asynccontextmanager
async def _listen(
    settings: Settings, variable: str, listen: Callable[[int], AbstractAsyncContextManager[int]]
) -> AsyncIterator[int]:
    """Listen on the port of `variable`; where it is taken and nobody set it, on the next free one."""
    wanted: int = getattr(settings, variable.lower())
    host: str = getattr(settings, variable.lower().replace("port", "host"))
    port = wanted
    if not _is_free(variable, host, port):
        if settings.is_given(variable):
            raise SettingsError(variable, f"{wanted} is taken by another program")
        near = range(wanted + 1, wanted + NEAR)
        port = next((candidate for candidate in near if _is_free(variable, host, candidate)), 0)
        print(
            f"port {wanted} is taken by another program, so {variable} is {port or 'any free one'}",
            flush=True,
        )
    async with listen(port) as bound:
        yield bound


def _is_free(variable: str, host: str, port: int) -> bool:
    """Whether this port can be listened on at the moment. Raises SettingsError where the host cannot."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows SO_REUSEADDR means taking it over
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in TAKEN:
                return False
            name = variable.replace("PORT", "HOST")
            raise SettingsError(name, f"cannot listen on {host}: {error.strerror}") from error
    return True
