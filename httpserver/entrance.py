"""Entrance: what becomes of a request before the routes and the middleware see it."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDictProxy

from core import NotFound
from httpserver.answers import ALWAYS, problem_answer

LONGEST_PATH = 1000
"""Characters of it before the query: aiohttp's router looks at a path once for each of its slashes."""

Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]
Factory = Callable[..., BaseRequest]


def with_short_paths(handler: Handler) -> Handler:
    """Let only requests through whose path can be one of ours; what is at fault is said before the routes."""

    def handle(request: BaseRequest) -> Awaitable[web.StreamResponse]:
        is_short = len(request.raw_path.partition("?")[0]) <= LONGEST_PATH
        return handler(request) if is_short else _refuse_path()

    return handle


async def _refuse_path() -> web.StreamResponse:
    answer = problem_answer(NotFound("there is nothing at so long a path"))
    answer.headers.update(ALWAYS)
    return answer


def with_plain_heads(factory: Factory) -> Factory:
    """Make requests as if what nobody can expect were not there, and one with a body in chunks the last one.

    aiohttp (3.14.5) would refuse an odd `Expect` and quote it, which fails for some bytes; so does a clone of
    a request, for those of any header. A clone's answer would also lack the headers for pages: it is finished
    with the first one. And it takes the last header behind a body in chunks for one of its connection's next
    request, which may be somebody else's where a proxy shares its connections.
    """

    def make(message: RawRequestMessage, *others: Any) -> BaseRequest:
        if "Expect" in message.headers and message.headers["Expect"].lower() != "100-continue":
            headers = message.headers.copy()
            headers.popall("Expect")
            message = message._replace(headers=CIMultiDictProxy(headers))
        if message.chunked:
            message = message._replace(should_close=True)
        return factory(message, *others)

    return make
