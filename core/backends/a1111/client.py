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
from core.backends.a1111.refusal import (
    Words,
    is_a_relatives,
    is_its_own,
    nothing_there,
    read_json,
    refusal_of,
    retry_after_of,
    short,
)
from core.errors import BackendError, SdError
from core.stall import notice_vanished
from core.variables import LOOPBACK, BackendAddress

CONNECT_SECONDS = 5.0
ASK_SECONDS = 5.0
"""For the small endpoints, all in all."""
MOST_ASKED = 4 * 1024 * 1024
"""Bytes of an answer of theirs (ten thousand models, each with its path and its hash), and of any error."""
MOST_PROGRESS = 40 * 1024 * 1024
"""Bytes of an answer about progress: a preview of eight megapixels in all that is noise still, as PNG."""
PAINTING = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
ASKING = aiohttp.ClientTimeout(total=ASK_SECONDS, sock_connect=CONNECT_SECONDS)
READ_BUFFER = 4 * 1024 * 1024
"""Bytes that aiohttp takes in before it makes the server wait: a picture arrives in one go."""
FROM_CONTAINERS = "host.docker.internal"
"""What a container calls the machine that it runs on."""
NOT_IMPLEMENTED = 501
"""What a server may answer, too, for an endpoint that it lacks (RFC 9110, 15.6.2)."""
VANISHED_SECONDS = 30
"""After how much silence a server is asked whether it is there."""
IMPATIENT = {504, 524}
"""What a proxy answers that has waited for long enough, and no server; the second is Cloudflare's."""
TOO_MANY = 429
NO_TLS = ("wrong version number", "record layer failure")
"""What OpenSSL finds, by version, where something else than TLS answers."""
REFUSED = (f"[Errno {errno.ECONNREFUSED}]", "[WinError 1225]")
"""How a refusal begins in a sentence about several addresses; the second is that of Windows."""


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
        # Pictures do not compress: a server that tried would only be slower. What is compressed all the same
        # is never unpacked: megabytes may become gigabytes.
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
    ) as session:
        yield session


def _socket(address: Any) -> socket.socket:
    """One by which a host is noticed that vanished while it painted, or while its connection was idle."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    notice_vanished(made, VANISHED_SECONDS)
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

    async def txt2img(self, words: Words, most: int) -> bytes:
        """Paint, for as long as it takes; the answer has `most` bytes.

        Raises Unreachable, Limited, InvalidRequest, BackendError.
        """
        path = "/sdapi/v1/txt2img"
        status, body, retry_after = await self._request("POST", path, PAINTING, most, json=words)
        if status == 200:
            return body
        if status == TOO_MANY:  # SD.Next's own words name our address, and go to strangers
            sentence = f"{self.name}: limits how many pictures it paints a minute"
            raise Limited(sentence, retry_after=retry_after_of(retry_after))
        refusal = self._refusal(status, body)
        if isinstance(refusal, Unreachable):  # it answered: were this not counted, it would go on for ever
            raise BackendError(refusal.message)
        if status in IMPATIENT:
            sentence = f"a proxy before it answered {status}: it may not wait as long as a picture takes"
            raise Broken(f"{self.name}: {sentence}")
        # Not in A1111's words, nor in its relatives': a proxy lost its server.
        if status >= 500 and not is_its_own(status, body) and not is_a_relatives(body):
            raise Broken(refusal.message)
        raise refusal

    async def ask(self, method: str, path: str, *, may_fail: bool = False, **options: Any) -> Any:
        """A small endpoint's JSON; None where this server has none. Raises Unreachable, BackendError.

        A login page, a redirect to one and what is forbidden count as none. If it `may_fail`, an error of its
        own is an empty object, and so is that it answers no more for a while.
        """
        most = MOST_PROGRESS if path.endswith("/progress") else MOST_ASKED
        status, body, _ = await self._request(method, path, ASKING, most, **options)
        if status == 401 and path.startswith("/sdapi"):
            raise self._refusal(status, body)
        limits = status == TOO_MANY
        failed = limits or (status >= 500 and status != NOT_IMPLEMENTED)
        if failed and may_fail and (limits or is_its_own(status, body)):
            return {}
        if failed:
            raise BackendError(f"{self.name}: {path} answered {status}")
        return read_json(body) if status == 200 else None

    async def knock(self, path: str) -> tuple[int, str]:
        """The status of a GET, and what it means if nothing is there. Raises Unreachable, BackendError."""
        status, body, _ = await self._request("GET", path, ASKING, MOST_ASKED)
        return status, nothing_there(status, body)

    def _refusal(self, status: int, body: bytes) -> SdError:
        """What an answer that is not 200 means."""
        if status == 401:
            return Unreachable(f"{self.name}: {self._locked}")
        return refusal_of(self.name, status, body)

    async def _request(
        self, method: str, path: str, patience: aiohttp.ClientTimeout, most: int, **options: Any
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
                encoding = response.headers.get("Content-Encoding")
                if encoding and encoding.lower() != "identity":
                    response.close()
                    raise BackendError(
                        f"{self.name}: answers in {short(encoding)} although it was asked not to compress"
                    )
                # The JSON of an error is read whole, and takes many times as much memory then.
                most = most if response.status == 200 else MOST_ASKED
                body = await _read(response.content, most)
                if body is None:
                    response.close()
                    raise BackendError(f"{self.name}: {path} answered more than {most / 1e6:.0f} MB")
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


async def _read(content: aiohttp.StreamReader, most: int) -> bytes | None:
    """All of it; None if that is more than `most` bytes, of which no more are taken in."""
    blocks, size = list[bytes](), 0
    while block := await content.readany():
        size += len(block)
        if size > most:
            return None
        blocks.append(block)
    return b"".join(blocks)


def _obstacle(error: ClientConnectorError) -> str:
    """Why there was no connection, in a few words that quote nothing."""
    if isinstance(error, ClientConnectorCertificateError):
        return "its TLS certificate is not trusted here"
    fault = error.os_error
    if isinstance(error, ClientConnectorSSLError):
        if any(word in str(fault) for word in NO_TLS):
            return "it speaks no TLS: http:// may be meant"
        return f"TLS failed: {(getattr(fault, 'reason', '') or '').replace('_', ' ').lower()}".rstrip(": ")
    if isinstance(fault, socket.gaierror):
        return "its host name is not found"
    # Where several addresses fail in different ways there is one sentence for all. Whoever refuses is there,
    # while IPv6 may lead nowhere.
    if isinstance(fault, ConnectionRefusedError) or any(word in str(fault) for word in REFUSED):
        return "connection refused" + _meant(error.host, os.environ)
    if getattr(fault, "winerror", None):  # to Python most of these are invalid arguments
        return short(fault.strerror)
    return os.strerror(fault.errno).lower() if fault.errno else "no connection"


def _meant(host: str | None, environ: Mapping[str, str]) -> str:
    """What is nearly always wrong where nothing listens: A1111 does on loopback only unless told to."""
    if host == FROM_CONTAINERS:
        return "; A1111 listens for containers with --listen"
    if host not in LOOPBACK:
        return "; is it started with --listen?"
    if environ.get("container"):  # systemd's word for one
        return f"; in a container that is the container itself: name it {FROM_CONTAINERS}"
    return ""
