"""The one middleware: who may come in, as whom, and what becomes of errors.

The order is core.Access's: a browser's page first, then the key, then the caller. A preflight carries no key,
so it ends after the first.
"""

import logging
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from core import Forbidden, Headers, Internal, InvalidRequest, NotFound, SdError, ShuttingDown
from httpserver.answers import ALWAYS, problem_answer
from httpserver.keys import ACCESS, JOB, VISITOR

PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer",
    "Access-Control-Max-Age": "600",
}
EXPOSED_HEADERS = "Content-Disposition, Location, Preference-Applied, Retry-After, X-Job-Id, X-Seed"
"""What a foreign page's script may read of an answer."""
_ALIVE = "/healthz"
_OPEN_PATHS = frozenset({"/", _ALIVE, "/readyz"})
_OPEN_FOLDER = "/static/"

log = logging.getLogger(__name__)


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request in or not, and turn every error into an answer."""
    try:
        if await _enter(request):
            return await handler(request)
        return web.Response(status=204, headers=PREFLIGHT_HEADERS)
    except ShuttingDown as error:
        return _break_off(request) or _problem(request, error)
    except SdError as error:
        return _problem(request, error)
    except web.HTTPException as refusal:
        return _http_problem(request, refusal)
    except web.RequestPayloadError as error:
        return _problem(request, InvalidRequest(f"the body cannot be read: {error}"))
    except ConnectionError:
        # The client went while it was written to: nobody is left to answer, and nothing went wrong here.
        return web.Response(status=499)
    except Exception:
        if request.writer.output_size:
            raise  # an answer has begun, and aiohttp logs the fault and cuts it off
        log.exception("a fault in answering %s %s", request.method, request.path)
        return _problem(request, Internal("a fault in the server; its log says more"))


async def finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer bears, streams as well; pages of allowed origins may read it."""
    headers = response.headers
    headers.update(ALWAYS)
    if "Expect" in request.headers and not request.content.is_eof():
        # Its body was not wanted, and may come or not: what follows could be either (RFC 9110, 10.1.1).
        headers["Connection"] = "close"
        response.force_close()
    origin = request.headers.get("Origin")
    if origin is None:
        return
    headers["Vary"] = "Origin"
    if request.app[ACCESS].allows_origin(origin, request.headers.get("Host", "")):
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS


async def _enter(request: web.Request) -> bool:
    """Raise Forbidden or Unauthorized, or know who asks; false for a preflight, which asks for nothing."""
    access, headers, path = request.app[ACCESS], _headers(request), request.path
    is_of_page = path.startswith(_OPEN_FOLDER)
    if not is_of_page:  # by these files the page can say that it is refused, and why
        access.check_browser(headers)
    for purpose in (*headers("Sec-Purpose"), *headers("Purpose")):
        if "prefetch" in purpose.lower():
            raise Forbidden("nothing is painted ahead of time: prefetches are refused")
    if request.method == "OPTIONS" and headers("Access-Control-Request-Method"):
        return False
    # Probes have no key, and learn nothing but whether to send work here. The page and its files hold nothing
    # of anybody's; a browser that opens it has no way to send a key before the page asks for one.
    if not (is_of_page or path in _OPEN_PATHS):
        access.check_key(headers)
    if path != _ALIVE:  # that is told also while a name server leaves open who asks
        request[VISITOR] = await access.visitor(headers, request.remote or "")
    return True


def _headers(request: web.Request) -> Headers:
    return partial(request.headers.getall, default=())


def _break_off(request: web.Request) -> web.Response | None:
    """Break off a request that a trusted proxy named: it repeats that on another replica, as the same job.

    A proxy repeats what breaks off, but hands on what it is answered.
    """
    visitor = request.get(VISITOR)
    if visitor is None or visitor.request_id is None or request.transport is None:
        return None
    request.transport.abort()
    return web.Response(status=499)


def _problem(request: web.Request, error: SdError, status: int | None = None) -> web.Response:
    return problem_answer(error, status=status, id=request.get(JOB), line_break=request.path == "/text")


def _http_problem(request: web.Request, refusal: web.HTTPException) -> web.Response:
    """What aiohttp itself refuses, in our words: an unknown path, a wrong method, a body too large."""
    match refusal:
        case web.HTTPNotFound():
            return _problem(request, NotFound(f"there is nothing at {request.path[:100]}"))
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(refusal.allowed_methods))
            error = InvalidRequest(f"{request.method} is not known here; there are: {allowed}")
        case web.HTTPRequestEntityTooLarge():
            error = InvalidRequest(f"the body is larger than {request.client_max_size} bytes")
        case _:
            error = InvalidRequest(refusal.reason)
    answer = _problem(request, error, refusal.status)
    if isinstance(refusal, web.HTTPMethodNotAllowed):
        answer.headers["Allow"] = allowed
    return answer
