"""Who may come in: judges the HTTP request before it becomes a websocket.

Refusals are HTTP answers with a problem (RFC 9457) that names the setting. A key may also come as the
first message: browsers cannot send an Authorization header with a websocket.
"""

import email.utils
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from core import Access, InvalidRequest, SdError, ShuttingDown
from core.wire import STATUSES, encode, problem_headers, problem_words
from wsserver.guide import GUIDE
from wsserver.peer import Peer

LISTS = ("Connection", "Upgrade", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol")
"""Headers of which the library reads each word by itself."""
LONGEST_LISTS = 4000
"""Characters of them all: a browser sends a hundred, and some programs a token as a protocol."""


class Handshake:
    """`judge` is the `process_request` of websockets. `is_stopping`: nobody is let in any more."""

    def __init__(self, access: Access, is_stopping: Callable[[], bool]) -> None:
        self._access = access
        self._is_stopping = is_stopping

    async def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a request become a websocket (None), or answer it."""
        peer = cast(Peer, connection)
        headers = _headers(request)
        try:
            self._access.check_browser(headers)
            if request.path.split("?", 1)[0] == "/healthz":
                return _answer(HTTPStatus.OK, encode({"status": "ok"}), "application/json", request)
            if not _is_upgrade(request):
                answer = _answer(HTTPStatus.UPGRADE_REQUIRED, GUIDE.encode(), "text/plain", request)
                answer.headers["Upgrade"] = "websocket"
                return answer
            if sum(len(value) for name in LISTS for value in request.headers.get_all(name)) > LONGEST_LISTS:
                raise InvalidRequest(f"{', '.join(LISTS)}: more than {LONGEST_LISTS} characters in all")
            self._check_key(peer, headers)
            address = peer.remote_address
            peer.visitor = await self._access.visitor(headers, str(address[0]) if address else "")
            if self._is_stopping():
                raise ShuttingDown("about to stop: connect again")
        except SdError as error:
            if isinstance(error, ShuttingDown) and peer.visitor.request_id is not None:
                # A trusted proxy that names its requests repeats what breaks off, on another replica.
                peer.transport.abort()
            return _refusal(error, request)
        return None

    def _check_key(self, peer: Peer, headers: Callable[[str], Sequence[str]]) -> None:
        if headers("Authorization"):
            self._access.check_key(headers)
        else:
            peer.stranger = self._access.needs_key


def _headers(request: Request) -> Callable[[str], Sequence[str]]:
    """As aiohttp reads them, in UTF-8: one key is the same on both wires. The library reads Latin-1."""

    def values(name: str) -> Sequence[str]:
        found = request.headers.get_all(name)
        return [value.encode("latin-1").decode("utf-8", "surrogateescape") for value in found]

    return values


def _is_upgrade(request: Request) -> bool:
    return any("websocket" in value.lower() for value in request.headers.get_all("Upgrade"))


def _refusal(error: SdError, request: Request) -> Response:
    body = encode(problem_words(error))
    answer = _answer(HTTPStatus(STATUSES[error.code]), body, "application/problem+json", request)
    answer.headers.update(problem_headers(error))
    return answer


def _answer(status: HTTPStatus, body: bytes, kind: str, request: Request) -> Response:
    headers = Headers(
        [
            ("Date", email.utils.formatdate(usegmt=True)),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind),
            ("Cache-Control", "no-store"),
        ]
    )
    return Response(status.value, status.phrase, headers, b"" if request.method == "HEAD" else body)
