"""Connection: what aiohttp leaves undone on a connection.

A request that cannot be read reaches no route and no middleware; aiohttp would answer it in plain text, and
log a traceback for each stranger who sends rubbish. A client that does not read its answer would hold it, and
its place here, for ever. A URL with letters beyond ASCII as they are would not be read at all.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError, InvalidURLError, LineTooLong
from aiohttp.web_request import BaseRequest

from core import Internal, InvalidRequest, NotFound, Stall
from httpserver.answers import ALWAYS, problem_answer
from httpserver.cork import Corkable

LONGEST_LINE = 131_072
"""Bytes of a request line: two texts of 4000 characters, each written as %F0%9F%90%92, fit."""
LONGEST_PATH = 1000
"""Characters of it before the query: aiohttp's router looks at a path once for each of its slashes."""

_BEGINNING = re.compile(rb"[A-Z]+ /\S*")
_GOING_ON = re.compile(rb"\S*")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")

Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


def sensible(handler: Handler) -> Handler:
    """Let only requests through whose path can be one of ours; what is at fault is said before the routes.

    What nobody can expect is as if it were not there: aiohttp would refuse it and quote it, which fails for
    some bytes.
    """

    async def handle(request: BaseRequest) -> web.StreamResponse:
        if len(request.raw_path.partition("?")[0]) > LONGEST_PATH:
            answer: web.StreamResponse = problem_answer(NotFound("there is nothing at so long a path"))
        elif "Expect" in request.headers and request.headers["Expect"].lower() != "100-continue":
            headers = request.headers.copy()
            headers.popall("Expect")
            answer = await handler(request.clone(headers=headers))
        else:
            return await handler(request)
        answer.headers.update(ALWAYS)
        return answer

    return handle


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_body", "_in_target", "_stall")

    _body: StreamReader | None
    """Of the last request that was read."""
    _in_target: bool
    """Whether a request's URL has begun, and goes on with what comes next."""
    _stall: Stall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        writer = cast(asyncio.Transport, transport)
        self._body = None
        self._in_target = False
        self._stall = Stall(writer, self._loop)
        super().connection_made(cast(asyncio.Transport, Corkable(writer)))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. A request's URL is made readable; no body is touched."""
        if not self._messages and (self._body is None or self._body.is_eof()):
            if data.isascii() and b"\n" in data:
                self._in_target = False
            else:
                data = self._with_escapes(data)
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]

    def _with_escapes(self, data: bytes) -> bytes:
        """The same with %C3%A9 for the letters of a URL that come as they are, as curl and Java send them.

        It may come in several parts, the first of which holds its beginning.
        """
        target = (_GOING_ON if self._in_target else _BEGINNING).match(data)
        end = target.end() if target else 0
        self._in_target = bool(target) and end == len(data)
        end = min(end, LONGEST_LINE)  # what is longer is refused, and would take its time
        return _BEYOND_ASCII.sub(_escaped, data[:end]) + data[end:]

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
            answer = problem_answer(InvalidRequest(_reason(exc)), line_break=True)
        answer.headers.update(ALWAYS)
        answer.force_close()
        return answer


def _escaped(letters: re.Match[bytes]) -> bytes:
    return b"%" + letters[0].hex("%").upper().encode()


def _reason(error: HttpProcessingError) -> str:
    if isinstance(error, LineTooLong):
        return f"the URL or a header is longer than {error.args[1]} bytes; POST /text takes long prompts"
    reason = "not readable as HTTP: " + error.message.split("\n", 1)[0].rstrip(":.")[:100]
    if type(error) in {BadStatusLine, InvalidURLError}:  # in the first line, and it is not the method
        return f"{reason} (spaces and letters beyond ASCII are %20, %C3%A9 in a URL)"
    return reason
