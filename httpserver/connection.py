"""Connection: what aiohttp says of its own on a connection, in our words.

A request that cannot be read reaches no route and no middleware; aiohttp would answer it in plain text, and
log a traceback for each stranger who sends rubbish.
"""

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_request import BaseRequest

from core import Internal, InvalidRequest
from httpserver.answers import problem_answer

LONGEST_LINE = 131_072
"""Bytes of a request line: two texts of 4000 characters, each written as %F0%9F%90%92, fit."""

log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ()

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
        answer.headers["Cache-Control"] = "no-store"
        answer.force_close()
        return answer


def _reason(error: HttpProcessingError) -> str:
    if isinstance(error, LineTooLong):
        return f"the URL or a header is longer than {error.args[1]} bytes; POST /text takes long prompts"
    reason = error.message.split("\n", 1)[0].rstrip(":")[:100]
    return f"not readable as HTTP: {reason} (spaces and letters beyond ASCII are %20, %C3%A9 in a URL)"
