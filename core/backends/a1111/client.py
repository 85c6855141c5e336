"""HTTP with one A1111 server: its address, credentials and time-outs, and what a failing network means.

Not reached means that nothing was painted (Unreachable); a connection that breaks later means that it
failed while painting (BackendError). Credentials stand in the Authorization header and nowhere else, so no
exception of aiohttp, which may hold a request's headers, is chained to ours.
"""

import base64
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from core.backends import Unreachable
from core.backends.a1111.refusals import refusal
from core.errors import BackendError, SdError
from core.settings import BackendAddress

CONNECT_SECONDS = 5.0
SMALL = aiohttp.ClientTimeout(total=5.0, sock_connect=CONNECT_SECONDS)
"""For everything but txt2img."""
PATIENT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
"""For txt2img: there is silence for as long as it paints; the worker limits the whole."""
KEEPALIVE_SECONDS = 4.0
"""An idle connection is closed by us, before uvicorn does it (5 s): a request must not meet its closing."""
READ_BUFFER = 4 << 20
"""Bytes; a picture is read in few pieces. (Never `content.wait_eof()`: it hangs above twice this.)"""


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """The HTTP session that all backends of a process share."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS, socket_factory=_socket)
    async with aiohttp.ClientSession(
        connector=connector, read_bufsize=READ_BUFFER, timeout=SMALL, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield session


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within a minute or two that the host behind it has vanished."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, option):  # not on every platform
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    body: bytes = field(repr=False)

    @property
    def value(self) -> Any:
        """The JSON value of a success; None where it is no success or no JSON."""
        if self.status != 200:
            return None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return None


class Client:
    """Sends requests to one server."""

    def __init__(self, address: BackendAddress, session: aiohttp.ClientSession) -> None:
        self.name = address.name
        self._url = address.url
        self._session = session
        # Not compressed: deflating base64 costs the server 20 ms a picture
        self._headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        self._secrets: tuple[bytes, ...] = ()
        if address.user or address.password:
            token = base64.b64encode(f"{address.user}:{address.password}".encode())
            self._headers["Authorization"] = f"Basic {token.decode()}"
            self._secrets = tuple(secret for secret in (address.password.encode(), token) if secret)

    async def get(self, path: str) -> Reply:
        """One small GET. Raises Unreachable or BackendError, as the others."""
        return await self._send("GET", path, None, SMALL)

    async def post(self, path: str, content: dict[str, Any]) -> Reply:
        """One small POST of a JSON object."""
        return await self._send("POST", path, msgspec.json.encode(content), SMALL)

    async def paint(self, content: dict[str, Any]) -> Reply:
        """The txt2img: waits for as long as it takes."""
        return await self._send("POST", "/sdapi/v1/txt2img", msgspec.json.encode(content), PATIENT)

    def refusal(self, reply: Reply) -> SdError:
        """The error that an answer stands for which is no success."""
        told = any(secret in reply.body for secret in self._secrets)
        return refusal(self.name, reply.status, b"" if told else reply.body)

    async def _send(
        self, method: str, path: str, data: bytes | None, timeout: aiohttp.ClientTimeout
    ) -> Reply:
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=data,
                headers=self._headers,
                timeout=timeout,
                allow_redirects=False,  # a login page, or another server: the credentials stay here
            ) as response:
                return Reply(response.status, await response.read())
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"{self.name}: not reached ({_reason(error)})") from None
        except TimeoutError:  # in txt2img only that of connecting
            raise Unreachable(f"{self.name}: not reached (no answer in time)") from None
        except (aiohttp.ClientError, OSError):
            raise BackendError(f"{self.name}: the connection broke off") from None


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no such host"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS failed"
    number = error.os_error.errno
    return os.strerror(number).lower() if number else "no connection"
