"""Client: HTTP to one A1111 server. Every fault becomes an error that names the server and no secret."""

import base64
import errno
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec
from aiohttp.client_exceptions import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ServerTimeoutError,
)

from core.backends import Limited, Unreachable
from core.errors import BackendError, InvalidRequest, SdError
from core.variables import LOOPBACK, BackendAddress

CONNECT_SECONDS = 5.0
ASK_SECONDS = 5.0
"""For the small endpoints, all in all."""
PAINTING = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
ASKING = aiohttp.ClientTimeout(total=ASK_SECONDS, sock_connect=CONNECT_SECONDS)
READ_BUFFER = 4 * 1024 * 1024
"""Bytes that aiohttp takes in before it makes the server wait: a picture arrives in one go."""
LONGEST_REASON = 300
FROM_CONTAINERS = "host.docker.internal"
"""What a container calls the machine that it runs on."""
NOT_IMPLEMENTED = 501
"""What a server may answer, too, for an endpoint that it lacks (RFC 9110, 15.6.2)."""
IMPATIENT = {504, 524}
"""What a proxy answers that has waited for long enough; the second is Cloudflare's."""
PLAIN = b"Internal Server Error"
"""All that a server without an error handler says of its own fault: Starlette's words."""
TOO_MANY = 429
SHORTEST_REST, USUAL_REST, LONGEST_REST = 1.0, 10.0, 60.0
"""Seconds for which a server that answers 429 is left alone, whatever it asks for. SD.Next asks for nothing,
and counts over a minute."""

Words = dict[str, Any]


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """The HTTP session that all backends of a process share: keep-alive, and no cookies."""
    # A1111's server closes a connection that was idle for 5 seconds: ours goes first, so that none breaks.
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=10, keepalive_timeout=4, socket_factory=_socket)
    async with aiohttp.ClientSession(
        connector=connector,
        read_bufsize=READ_BUFFER,
        cookie_jar=aiohttp.DummyCookieJar(),
        json_serialize_bytes=msgspec.json.encode,
        # Pictures do not compress: a server that tried would only be slower.
        headers={"Accept-Encoding": "identity"},
    ) as session:
        yield session


def _socket(address: Any) -> socket.socket:
    """With TCP keep-alive, so that a host that vanished while it painted is noticed at all."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS has another name for the first.
    options = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
    for option, seconds in options:
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
    return made


class Broken(BackendError):
    """There was no whole answer of the server itself: it may still paint what it was asked for."""


class _Answer(NamedTuple):
    """What of an HTTP answer is read."""

    status: int
    body: bytes
    retry_after: str | None


class Client:
    """Requests to one server."""

    def __init__(self, address: BackendAddress, session: aiohttp.ClientSession) -> None:
        self.name = address.name
        self._url = address.url
        self._session = session
        self._headers: dict[str, str] | None = None
        self._locked = "wants a user and a password: SD_BACKENDS=http://user:password@..."
        if address.user or address.password:
            words = f"{address.user}:{address.password}".encode()
            self._locked = "refused our user and password"
            self._headers = {"Authorization": f"Basic {base64.b64encode(words).decode()}"}

    async def txt2img(self, words: Words) -> bytes:
        """Paint, for as long as it takes. Raises Unreachable, Limited, InvalidRequest, BackendError."""
        status, body, retry_after = await self._request("POST", "/sdapi/v1/txt2img", PAINTING, json=words)
        if status == 200:
            return body
        if status == TOO_MANY:  # SD.Next's own words name our address, and go to strangers
            sentence = f"{self.name}: limits how many pictures it paints a minute"
            raise Limited(sentence, retry_after=_rest(retry_after))
        refusal = self._refusal(status, body)
        if isinstance(refusal, Unreachable):  # it answered: were this not counted, it would go on for ever
            raise BackendError(refusal.message)
        # Not in A1111's words, nor in its relatives': a proxy waited for too long, or lost its server.
        is_theirs = _said(body) or "detail" in _object(body) or _is_its_own(status, body)
        if status >= 500 and not is_theirs:
            sentence = f"a proxy before it answered {status}: it may not wait as long as a picture takes"
            raise Broken(f"{self.name}: {sentence}" if status in IMPATIENT else refusal.message)
        raise refusal

    async def ask(self, method: str, path: str, *, may_fail: bool = False, **options: Any) -> Any:
        """A small endpoint's JSON; None where this server has none. Raises Unreachable, BackendError.

        A login page, a redirect to one and what is forbidden count as none. If it `may_fail`, an error of its
        own is an empty object, and so is that it answers no more for a while.
        """
        status, body, _ = await self._request(method, path, ASKING, **options)
        if status == 401 and path.startswith("/sdapi"):
            raise self._refusal(status, body)
        limits = status == TOO_MANY
        failed = limits or (status >= 500 and status != NOT_IMPLEMENTED)
        if failed and may_fail and (limits or _is_its_own(status, body)):
            return {}
        if failed:
            raise BackendError(f"{self.name}: {path} answered {status}")
        return _json(body) if status == 200 else None

    async def knock(self, path: str) -> tuple[int, str]:
        """The status of a GET, and what it means if nothing is there. Raises Unreachable, BackendError."""
        status, body, _ = await self._request("GET", path, ASKING)
        return status, _nothing(status, body)

    def _refusal(self, status: int, body: bytes) -> SdError:
        """What an answer that is not 200 means."""
        if status == 401:
            return Unreachable(f"{self.name}: {self._locked}")
        return _refusal(self.name, status, body)

    async def _request(
        self, method: str, path: str, patience: aiohttp.ClientTimeout, **options: Any
    ) -> _Answer:
        try:
            async with self._session.request(
                method,
                self._url + path,
                headers=self._headers,
                timeout=patience,
                allow_redirects=False,
                **options,
            ) as response:
                body = await response.read()
                return _Answer(response.status, body, response.headers.get("Retry-After"))
        # aiohttp's errors may quote what was sent, the password included: none is kept as a cause.
        except ClientConnectorError as error:
            raise Unreachable(f"{self.name}: not reached ({_obstacle(error)})") from None
        except ServerTimeoutError:
            raise Unreachable(
                f"{self.name}: not reached (no connection within {CONNECT_SECONDS:g} s)"
            ) from None
        except TimeoutError:
            raise Unreachable(f"{self.name}: not reached (no answer within {ASK_SECONDS:g} s)") from None
        except (aiohttp.ClientError, ConnectionError):
            raise Broken(f"{self.name}: the connection broke before the answer was whole") from None


def _obstacle(error: ClientConnectorError) -> str:
    """Why there was no connection, in a few words that quote nothing."""
    if isinstance(error, ClientConnectorCertificateError):
        return "its TLS certificate is not trusted here"
    if isinstance(error, ClientConnectorSSLError):
        return "it speaks no TLS: http:// may be meant"
    if isinstance(error.os_error, socket.gaierror):
        return "its host name is not found"
    number = error.os_error.errno
    if number == errno.ECONNREFUSED:
        return os.strerror(number).lower() + _meant(error.host, os.environ)
    return os.strerror(number).lower() if number else "no connection"


def _meant(host: str | None, environ: Mapping[str, str]) -> str:
    """What is nearly always wrong where nothing listens: A1111 does on loopback only unless told to."""
    if host == FROM_CONTAINERS:
        return "; A1111 listens for containers with --listen"
    if host not in LOOPBACK:
        return "; is it started with --listen?"
    if environ.get("container"):  # systemd's word for one
        return f"; in a container that is the container itself: name it {FROM_CONTAINERS}"
    return ""


def _is_its_own(status: int, body: bytes) -> bool:
    """Whether the server itself fails, and no proxy before it: in A1111's words, or in those of Starlette, as
    Forge has done since 2024, and its relatives."""
    return "error" in _object(body) or (status == 500 and body == PLAIN)


def _rest(retry_after: str | None) -> float:
    """The seconds of a Retry-After, within bounds; a date in it is by somebody else's clock."""
    try:
        seconds = USUAL_REST if retry_after is None else float(retry_after)
    except ValueError:
        seconds = USUAL_REST
    return min(LONGEST_REST, max(SHORTEST_REST, seconds))


def _nothing(status: int, body: bytes) -> str:
    """Why there is no txt2img: only A1111 itself says that it lacks it in FastAPI's words.

    It asks for a password with 401, and forbids nothing.
    """
    if status == 403:
        return "answers 403: something before it forbids it"
    if status == 404 and _object(body).get("detail") == "Not Found":
        return "no /sdapi there: start it with --api"
    return f"what answers there is no A1111 (status {status}): another program, a tunnel or a proxy does"


def _refusal(name: str, status: int, body: bytes) -> SdError:
    """What an answer means that is neither 200 nor about who asks."""
    words = _object(body)
    detail = words.get("detail")
    match status:
        case 403:
            return Unreachable(f"{name}: {_nothing(status, body)}")
        case 404 if not detail or detail == "Not Found":
            return Unreachable(f"{name}: {_nothing(status, body)}")
        case 404 | 400 if detail:  # an unknown sampler is the one or the other, by version
            return InvalidRequest(f"{name}: {_short(detail)}", field=_field(str(detail)))
        case 422:
            return _invalid(name, detail)
        # So stable-diffusion.cpp's server says what is wrong with the parameters; A1111 and Forge tell of a
        # fault of their own in one more field, whatever the status.
        case 400 if isinstance(words.get("error"), str) and not {"errors", "message"} & words.keys():
            return InvalidRequest(f"{name}: {_short(words['error'])}", field=_field(words["error"]))
        case _ if words.get("error"):
            sentence = f"{words['error']}: {_last_line(_reason(words))}".rstrip(": ")
            return BackendError(f"{name}: {_short(sentence)}")
        case 500 if body == PLAIN:
            return BackendError(f"{name}: answered 500 without a reason; its console has it")
    return BackendError(f"{name}: {_short(f'answered {status}: {_last_line(_said(body))}'.rstrip(': '))}")


def _invalid(name: str, detail: object) -> InvalidRequest:
    """FastAPI's list of what is wrong with the parameters: its first entry."""
    if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
        place = detail[0].get("loc")
        field = str(place[-1]) if isinstance(place, list) and place else None
        return InvalidRequest(f"{name}: {field or 'parameters'}: {_short(detail[0].get('msg'))}", field=field)
    return InvalidRequest(f"{name}: {_short(detail)}")


def _field(detail: str) -> str | None:
    return "sampler_name" if "sampler" in detail.lower() else None


def _object(body: bytes) -> Words:
    words = _json(body)
    return words if isinstance(words, dict) else {}


def _json(body: bytes) -> Any:
    """What a body says; None where it is no JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _reason(words: Words) -> str:
    """What the server says of its own fault: A1111 in `errors`, Forge in `message`.

    `body` may be all that the server was sent, or was about to answer.
    """
    texts = [words.get(name) for name in ("errors", "message", "detail", "body")]
    if isinstance(texts[-1], str) and len(texts[-1]) > LONGEST_REASON:
        texts.pop()
    return next((text for text in texts if isinstance(text, str) and text), "")


def _said(body: bytes) -> str:
    """What relatives of A1111 say in another shape: FastAPI's `detail`, with a `msg` in it by KoboldCpp, or
    nothing but a text of JSON by SD.Next."""
    words = _json(body)
    detail = words.get("detail") if isinstance(words, dict) else words
    text = detail.get("msg") if isinstance(detail, dict) else detail
    return text if isinstance(text, str) else ""


def _last_line(reason: str) -> str:
    """Of a traceback the line that says what happened."""
    return reason.strip().rsplit("\n", 1)[-1]


def _short(text: object) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= LONGEST_REASON else words[: LONGEST_REASON - 1] + "…"
