"""The gateway: sessions of bots over websockets, each told every interaction."""

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiohttp import WSMsgType, web

from tests.doubles.discord.limits import Words

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
"""Opcodes (documentation, "Gateway Opcodes")."""


@dataclass(eq=False)
class Session:
    """One bot's session; it outlives its socket, so that it can be resumed."""

    id: str
    sent: list[Words] = field(default_factory=list)
    unsent: "asyncio.Queue[Words | None]" = field(default_factory=asyncio.Queue)
    socket: web.WebSocketResponse | None = None
    request: web.Request | None = None

    def tell(self, event: str, words: Words) -> None:
        """Dispatch an event; it is kept for a resume."""
        payload = {"op": DISPATCH, "t": event, "s": len(self.sent) + 1, "d": words}
        self.sent.append(payload)
        self.unsent.put_nowait(payload)


class Gateway:
    """`ready` makes the READY of a session; `changed` is called after everything that happens."""

    def __init__(
        self,
        token: str,
        ready: Callable[[Session], Words],
        now: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.token = token
        self.identify_seconds = 5.0
        """Between two new sessions (`max_concurrency` 1); earlier ones are invalid."""
        self.out_of_order = 0
        """So many sockets are refused with 503."""
        self.hangs_up = 0
        """So many sockets are closed as soon as they are open."""
        self.hung_up: list[float] = []
        """When that was."""
        self.sessions: list[Session] = []
        self.identifies: list[float] = []
        self.refused_identifies = 0
        self.resumes = 0
        self._chance = Random(0)
        self._ready = ready
        self._now = now
        self._changed = changed

    @property
    def connected(self) -> list[Session]:
        """Sessions with a socket."""
        return [each for each in self.sessions if each.socket is not None]

    def tell(self, event: str, words: Words) -> None:
        """Tell every session, in any order; also one whose socket is gone: it may resume."""
        for session in self._chance.sample(self.sessions, len(self.sessions)):
            session.tell(event, words)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One socket, from HELLO on."""
        if self.out_of_order:
            self.out_of_order -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.hangs_up:
            self.hangs_up -= 1
            self.hung_up.append(self._now())
            self._changed()
            await socket.close(code=4000, message=b"Unknown error.")
            return socket
        await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": 41_250}})
        session = await self._open(socket)
        if session is None:
            return socket
        session.socket, session.request = socket, request
        self._changed()
        pump = asyncio.ensure_future(self._pump(session, socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and json.loads(message.data)["op"] == HEARTBEAT:
                    await socket.send_json({"op": ACK})
        finally:
            pump.cancel()
            await asyncio.wait({pump})
            if session.socket is socket:
                session.socket = session.request = None
            self._changed()
        if socket.close_code in {1000, 1001}:  # said goodbye: such a session cannot be resumed
            self.sessions = [each for each in self.sessions if each is not session]
            self._changed()
        return socket

    async def _open(self, socket: web.WebSocketResponse) -> Session | None:
        """IDENTIFY or RESUME."""
        async for message in socket:
            payload = json.loads(message.data)
            words: Any = payload.get("d")
            if payload["op"] == HEARTBEAT:
                await socket.send_json({"op": ACK})
                continue
            if words["token"] != self.token:
                await socket.close(code=4004, message=b"Authentication failed.")
                return None
            session = self._resumed(words) if payload["op"] == RESUME else self._identified()
            if session is not None:
                return session
            await socket.send_json({"op": INVALID, "d": False})
        return None

    def _identified(self) -> Session | None:
        now = self._now()
        if self.identifies and now - self.identifies[-1] < self.identify_seconds:
            self.refused_identifies += 1
            return None
        self.identifies.append(now)
        session = Session(secrets.token_hex(8))
        self.sessions.append(session)
        session.tell("READY", self._ready(session))
        return session

    def _resumed(self, words: Words) -> Session | None:
        for session in self.sessions:
            if session.id == words["session_id"]:
                self.resumes += 1
                session.unsent = asyncio.Queue()
                for payload in session.sent[words["seq"] :]:
                    session.unsent.put_nowait(payload)
                session.tell("RESUMED", {})
                return session
        return None

    async def _pump(self, session: Session, socket: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):  # the socket went in the middle of it
            while (payload := await session.unsent.get()) is not None:
                await socket.send_json(payload)

    # what tests do

    def cut(self) -> None:
        """Every socket breaks, as when a cable is pulled."""
        for session in self.connected:
            if session.request is not None and session.request.transport is not None:
                session.request.transport.abort()

    async def reconnect(self) -> None:
        """Opcode 7: come back, and resume."""
        for session in self.connected:
            assert session.socket is not None
            await session.socket.send_json({"op": RECONNECT})
