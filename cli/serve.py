"""`sd-b64 serve`: HTTP, the websocket and, until a real server is to be had, the built-in engine.

With REDIS_URL it joins the shared queue, and paints for it on the servers that SD_BACKENDS names; with
DISCORD_TOKEN the bot runs beside them.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import engine.server
import httpserver.server
import wsserver.server
from cli.greeting import Served, greeting
from core import (
    USUAL,
    BackendAddress,
    Caller,
    Found,
    Gateway,
    QueueUnavailable,
    Settings,
    Status,
    announce,
    check_exposure,
    connect,
    discover,
    listening,
    open_session,
    reachable,
    stop_signal,
    work,
)
from core.worker import Fleet

NOTES = {
    Found.OTHER: "what listens on port 7860 has no /sdapi: start it with --api",
    Found.SILENT: "what listens on port 7860 does not answer: it paints as soon as it does",
}
"""Why the server on A1111's usual port is not taken."""
LOOK_FOR = 5.0
"""Seconds between two looks for one that comes there later."""

CURL = "curl.exe" if os.name == "nt" else "curl"
"""In Windows' own PowerShell `curl` alone is another program, with other options."""

ELSEWHERE = ("192.0.2.1", 9)
"""An address of no machine (RFC 5737), on the way to most of them."""

FIRST_LOOKS = 2.0
"""Seconds that the start on a shared queue waits at most for the first looks at the servers it has there."""


@dataclass(frozen=True, slots=True)
class _Painters:
    """What paints: the settings that name it, why it is that, and who works for it on a shared queue."""

    settings: Settings
    note: str = ""
    fleet: Fleet | None = None
    stand_in: bool = False
    """Whether it paints only until a server answers on A1111's usual port."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """To be set where the fleet is to begin no more pictures."""


async def serve(settings: Settings) -> None:
    """Serve until a signal comes, then end in good order. Raises SettingsError."""
    check_exposure(settings, "HTTP_HOST", settings.http_host)
    check_exposure(settings, "WS_HOST", settings.ws_host)
    async with (
        _painting(settings) as painters,
        connect(painters.settings, successor=_usual_server if painters.stand_in else None) as gateway,
        stop_signal() as stop,
        listening(
            settings,
            "HTTP",
            # Its own pages are those of the port that it got, not of the program that took the default one.
            lambda port: httpserver.server.listen(gateway, replace(settings, http_port=port), port=port),
            may_move=True,
        ) as http,
        # The websocket lets in pages of our own HTTP port: so that one is settled first.
        listening(
            settings,
            "WS",
            lambda port: wsserver.server.listen(gateway, replace(settings, http_port=http), port=port),
            may_move=True,
        ) as ws,
        _discord(settings, gateway),
    ):
        note, fleet = painters.note, painters.fleet
        if fleet is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LOOKS):
                    await fleet.first_looks()
        named = fleet.backends if fleet else ()
        status = await _first_status(gateway)
        contained = "container" in os.environ  # systemd's word for one; its address is none for others
        own = "" if contained else _own_address()
        announce(greeting(Served(settings, http, ws, status, note, named, own, contained), curl=CURL))
        await stop.wait()
        announce("stopping: what is being painted is finished first (Ctrl-C again: at once)")
        painters.ending.set()  # or it would begin other pictures while these are waited for
        await gateway.drain(settings.shutdown_grace)


async def _first_status(gateway: Gateway) -> Status:
    """How the servers are; nothing of it where the shared queue has just gone away, as the log says then."""
    try:
        await gateway.catalog()  # the offers anew: the status tells of those of the last beat
        return await gateway.status(Caller("serve"))
    except QueueUnavailable:
        return Status(0, 0, 0, 0, 0, waiting_by_caller=(), workers=0, backends=())


def _own_address() -> str:
    """By which this machine reaches others, and they reach it; empty where there is none. Nothing is sent."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(ELSEWHERE)
        return str(asking.getsockname()[0])
    return ""


@asynccontextmanager
async def _discord(settings: Settings, gateway: Gateway) -> AsyncIterator[None]:
    """The bot, where it has a token; what becomes of it later costs nobody else anything."""
    if not settings.discord_token:
        yield
        return
    import bot  # discord.py takes a third of a second to import, and most have no bot

    async with bot.beside(gateway, settings):
        yield


@asynccontextmanager
async def _painting(settings: Settings) -> AsyncIterator[_Painters]:
    """Something that paints: what is named, what is found, or the engine.

    On the shared queue others may paint: there the servers that are named are worked for, and none is found.
    """
    if settings.redis_url:
        painters = _Painters(settings, "on the shared queue of REDIS_URL")
        if not settings.sd_backends:
            yield painters
            return
        async with work(settings) as fleet:
            stopping = asyncio.create_task(_stop(fleet, painters.ending, settings.shutdown_grace))
            try:
                yield replace(painters, fleet=fleet)
            finally:
                painters.ending.set()
                await stopping
        return
    if settings.sd_backends:
        yield _Painters(settings)
        return
    found = await _look()
    if found is Found.A1111:
        yield _Painters(settings.with_backends(BackendAddress(USUAL)), "found on its usual port")
        return
    host, seconds = settings.engine_host, settings.engine_step_seconds
    check_exposure(settings, "ENGINE_HOST", host, asks_key=False)
    async with listening(
        settings, "ENGINE", lambda port: engine.server.serve(host, port, seconds), may_move=True
    ) as port:
        painter = BackendAddress(f"http://{reachable(host)}:{port}")
        # There itself nobody else can come, and it would be found in its own place.
        stand_in = not USUAL.endswith(f":{port}") or await _look() is not Found.A1111
        yield _Painters(settings.with_backends(painter), NOTES.get(found, ""), stand_in=stand_in)


async def _stop(fleet: Fleet, ending: asyncio.Event, grace: float) -> None:
    """Wait until it is to end, and for what it paints by then."""
    await ending.wait()
    await fleet.stop(grace)


async def _usual_server() -> BackendAddress:
    """Wait for a server on A1111's usual port: after a boot it may be ready later than this is."""
    while True:
        await asyncio.sleep(LOOK_FOR)
        if await _look() is Found.A1111:
            return BackendAddress(USUAL)


async def _look() -> Found:
    """What is to be found on A1111's usual port."""
    async with open_session() as session:
        return await discover(session)
