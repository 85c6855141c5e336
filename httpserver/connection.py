"""Connection: what aiohttp leaves undone on a connection.

A request that cannot be read reaches no route and no middleware; aiohttp would answer it in plain text, and
log a traceback for each stranger who sends rubbish. A client that does not read its answer would hold it, and
its place here, for ever. A URL with letters beyond ASCII as they are would not be read at all. And what comes
in one read, or before a head is whole, may cost more time and memory than a stranger is worth.
"""

import asyncio
import logging
import re
from contextlib import suppress
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import MAX_MSG_QUEUE_SIZE
from aiohttp.web_request import BaseRequest

from core import Internal, InvalidRequest, Stall
from httpserver.answers import ALWAYS, problem_answer
from httpserver.cork import Corkable
from httpserver.unreadable import BadHead, NoParser, reason

LONGEST_LINE = 131_072
"""Bytes of a request line: two texts of 4000 characters, each written as %F0%9F%90%92, fit."""
LONGEST_HEAD = LONGEST_LINE + 32_768
"""Bytes of a head until it is whole: a browser sends a few hundred of headers, some proxies a long token."""
HEAD_SECONDS = 30.0
"""How long a head may take from its first byte on; nginx gives it as long."""
PIECE = 8_192
"""Bytes that are parsed before others have their turn: a few milliseconds' work where each is a chunk."""

_BEGINNING = re.compile(rb"[\r\n]*[A-Z]+( (/\S*)?)?")
_GOING_ON = re.compile(rb"[A-Z]* ?\S*")
_ASCII = bytes(range(128))

log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = (
        "_body",
        "_going_on",
        "_head",
        "_in_target",
        "_last",
        "_late",
        "_left",
        "_rest",
        "_stall",
        "_unwanted",
    )

    _body: StreamReader
    """Of the last request that was read."""
    _left: int
    """Bytes of that body that are still to come; none where it comes in chunks."""
    _unwanted: StreamReader
    """The body of the last request that was answered."""
    _head: int
    """Bytes of headers that are not whole."""
    _last: bytes
    """Three bytes at their end so far: the empty line behind them may come in two reads."""
    _late: asyncio.TimerHandle | None
    """Refuses those that take too long; set while some are not whole."""
    _in_target: bool
    """Whether a request's line has begun, and goes on with what comes next."""
    _rest: bytes | None
    """What was read and not parsed: until it is, nothing more is read. None once a request was refused: what
    follows is read, as its answer would not arrive else, and forgotten."""
    _going_on: asyncio.Handle | None
    """Parses more of that; set until its turn comes."""
    _stall: Stall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        writer = cast(asyncio.Transport, transport)
        self._body = self._unwanted = EMPTY_PAYLOAD
        self._late = self._going_on = None
        self._head = self._left = 0
        self._last = self._rest = b""
        self._in_target = False
        self._stall = Stall(writer, self._loop)
        # The parser counts a request whose body ends after it was taken as one that waits still, and so stops
        # one sooner than aiohttp looks for: what it keeps then would never be parsed.
        self._max_msg_queue_size = MAX_MSG_QUEUE_SIZE - 1
        super().connection_made(cast(asyncio.Transport, Corkable(writer)))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. A request's URL is made readable; no body is touched."""
        if self._rest is None:
            return
        if len(data) > PIECE:
            data, self._rest = data[:PIECE], data[PIECE:]
            self._pause_transport_reading()
            self._go_on_soon()
        # Of a request the parser tells nothing where it cannot read what comes behind it; behind a body whose
        # request asks for an upgrade it forgets what comes.
        while (end := self._end_of_part(data)) < len(data):
            self._receive(data[:end])
            data = data[end:]
            if self._rest is None:
                return
            if self._is_held():
                self._rest = data + self._rest
                return
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        body, told = self._body, None if self._body.is_eof() else self._body.total_bytes
        if told is None:
            if data.isascii() and b"\n" in data.lstrip(b"\r\n"):
                self._in_target = False
            else:
                data = self._with_escapes(data)
        before = self._request_count
        super().data_received(data)
        if self._left:
            self._left -= min(self._left, len(data))
        if self._messages:
            self._body = self._messages[-1][1]
        if self._upgraded:  # nothing is, here: the next request follows
            self._upgraded = False
            cast(Any, self._parser).set_upgraded(False)
        if self._request_count != before:
            if self._late is not None:
                self._end_head()
            if isinstance(found := self._messages[-1][0], RawRequestMessage):
                self._left = 0 if self._body.is_eof() else int(found.headers.get("Content-Length", 0))
            else:
                self._rest = None
                if not body.is_eof():
                    self._break(body, found.message)
        elif data:
            # Of a body that goes on and did not grow they are headers behind it, which are kept as well.
            if told is None or (body.total_bytes == told and not body.is_eof()):
                if data.strip(b"\r\n"):  # an empty line before a request is none of it (RFC 9112, 2.2)
                    self._await_head(len(data))
            elif self._late is not None:
                self._end_head()

    def _end_of_part(self, data: bytes) -> int:
        """How much of it is the head or the body of one request; all of it where that does not end here."""
        if self._left:
            return min(self._left, len(data))
        if not self._body.is_eof():
            return len(data)
        last = b"" if self._late is None else self._last
        so_far, empty_lines = last + data, 0
        if not last and data.startswith((b"\r", b"\n")):
            empty_lines = len(data) - len(data.lstrip(b"\r\n"))
        end = so_far.find(b"\r\n\r\n", empty_lines)
        self._last = so_far[-3:]
        return len(data) if end < 0 else end + 4 - len(last)

    def _break(self, body: StreamReader, reason: str) -> None:
        """What cannot be read is in a body: whoever waits for it tells so, and nobody else."""
        self._messages.pop()
        if body is self._unwanted:
            self._close = True
        else:
            body.set_exception(web.RequestPayloadError(reason.split("\n", 1)[0].rstrip(":.")))
        body.feed_eof()

    def _with_escapes(self, data: bytes) -> bytes:
        """The same with %C3%A9 for the letters of a URL that come as they are, as curl and Java send them.

        It may come in several parts, as from a client that writes word by word.
        """
        target = None
        if self._in_target:
            target = _GOING_ON.match(data)
        elif self._late is None:  # else its headers go on: one byte of them may look like a verb
            target = _BEGINNING.match(data)
        end = target.end() if target else 0
        self._in_target = bool(target) and end == len(data)
        return _escaped(data[:end]) + data[end:]

    def _await_head(self, size: int) -> None:
        """Headers have begun or go on, and are not whole yet."""
        if self._close or self._force_close:
            return  # nothing of it is kept
        if self._late is None:
            late = BadHead(code=408, message=f"the headers did not arrive within {HEAD_SECONDS:g} seconds")
            self._late = self._loop.call_later(HEAD_SECONDS, self._refuse, late)
        self._head += size
        if self._head > LONGEST_HEAD:
            too_much = f"the URL and the headers are longer than {LONGEST_HEAD} bytes"
            self._refuse(BadHead(code=400, message=too_much))

    def _refuse(self, error: BadHead) -> None:
        self._parser = cast(Any, NoParser(error))
        self.data_received(b"")

    def _end_head(self) -> None:
        self._head = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _go_on_soon(self) -> None:
        if self._going_on is None:
            self._going_on = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Parse more of what was read, unless aiohttp has enough: then it comes here when it wants more."""
        self._going_on = None
        if self.transport is None or self._is_held():
            return
        if self._rest:
            data, self._rest = self._rest, b""
            self.data_received(data)
        if not self._is_held():
            self._resume_transport_reading()

    def _is_held(self) -> bool:
        return self._reading_paused or self._buffer_paused

    def _resume_transport_reading(self) -> None:
        """See aiohttp's BaseProtocol, which calls it for any reason to read on."""
        if self._rest:
            self._go_on_soon()
        else:
            super()._resume_transport_reading()

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """See RequestHandler."""
        done = await super().finish_response(request, resp, start_time)
        self._unwanted = request.content
        if self._rest is None and not self._messages:
            await self._part()
        return done

    async def _part(self) -> None:
        """Let a client that was refused read why, and close: it may still send, as over a slow line, and what
        comes once we have closed has its system break the connection, and forget the answer.
        """
        if self.transport is None or self.transport.is_closing():
            return
        with suppress(OSError, RuntimeError):  # it went in this moment; the second one is uvloop's
            self.transport.write_eof()
        self._waiter = self._loop.create_future()  # aiohttp cancels it when the server closes
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lingering_time):
                await self._waiter
        self._waiter = None
        self._close = True

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._stall.begin()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        self._stall.end()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self._end_head()
        self._stall.end()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what no handler could."""
        if not isinstance(exc, HttpProcessingError):
            super().handle_error(request, status, exc, message)  # logs, and raises if an answer has begun
            answer = problem_answer(Internal("a fault in the server; its log says more"))
        else:
            log.debug("a request that cannot be read, from %s: %s", request.remote, exc)
            # With a line break, for it may have been meant for /text.
            answer = problem_answer(InvalidRequest(reason(exc)), status=exc.code, line_break=True)
        answer.headers.update(ALWAYS)
        answer.force_close()
        return answer


def _escaped(target: bytes) -> bytes:
    """With %C3 for each byte beyond ASCII: a pass for each kind of them, however many there are."""
    for byte in set(target.translate(None, delete=_ASCII)):
        target = target.replace(bytes((byte,)), b"%%%02X" % byte)
    return target
