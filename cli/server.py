"""Server: the public HTTP wire, as a client speaks it.

Whatever goes wrong is a Failure: `unreachable` before a connection is there, `connection_lost` after that,
and the server's own code where it answers.
"""

import base64
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from socket import gaierror
from types import SimpleNamespace
from typing import Any

import aiohttp

from cli.address import Address
from cli.event_stream import EventStream
from cli.exit_codes import CONNECTION_LOST, UNREACHABLE, UNREADABLE
from cli.failures import Failure
from cli.messages import Event, Status, plain, read_event, read_problem, read_status

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 45.0
"""After so long without a byte a connection is dead: a stream has a heartbeat every 15 seconds."""
OURS = {"application/json", "application/problem+json"}
OTHER_PORT_HINT = " `serve` says at its start which port it took: --server http://127.0.0.1:PORT"
"""How to go on where another program has the usual port, as macOS has."""
NO_SERVER_HINT = "; `sd-b64 serve` starts a server here, and --server names another one"
"""How to go on where nobody named a server and none listens."""
AT_ONCE = aiohttp.ClientTimeout(total=10.0)
"""How long an answer that needs no painting may take."""
LONGEST_ANSWER = 32 * 2**20
"""Bytes of such an answer: the status of 300 backends with a thousand models each."""


class Server:
    """One server, on a session that is open."""

    def __init__(self, session: aiohttp.ClientSession, address: Address) -> None:
        self._session = session
        self.name = str(address.url.with_user(None))
        """Its address as it may be shown: without a password."""
        self._other_port_hint = OTHER_PORT_HINT if address.is_guess else ""
        self._no_server_hint = NO_SERVER_HINT if address.is_guess else ""
        self.has_answered = False
        """Whether it was ever there, whatever it said."""
        self._limits = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)

    @asynccontextmanager
    async def events(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        key: str | None = None,
        sent: Callable[[], None] | None = None,
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """The events of a job, by the request that starts it or comes back to it. Leaving it hangs up.

        `sent` is called once a connection is there, and the request goes out on it.
        """
        headers = {"Accept": "text/event-stream"}
        if key is not None:
            headers["Idempotency-Key"] = key
        options = {"json": json, "headers": headers, "timeout": self._limits, "trace_request_ctx": sent}
        async with self._request(method, path, **options) as response:
            if response.content_type != "text/event-stream":
                raise await self._refusal(response)
            async with aclosing(self._read(response)) as events:
                yield events

    async def ask(self, method: str, path: str) -> bytes:
        """The body of an answer that comes at once."""
        async with self._request(method, path, timeout=AT_ONCE) as response:
            if response.status != HTTPStatus.OK or response.content_type != "application/json":
                raise await self._refusal(response)
            return await self._body(response)

    async def foreign(self) -> Failure | None:
        """Look who is there: what is wrong if it is no server of ours, or lets nobody in.

        None if it may be one, also where it does not answer. Asked without a body, for a websocket's port may
        hang up on one, and would not be told from a server that is about to stop.
        """
        try:
            async with self._request("GET", "/catalog", timeout=AT_ONCE) as response:
                refusal = await self._refusal(response)
                if response.content_type in OURS:
                    is_wrong = refusal.code in {"unauthorized", "forbidden"}
                else:  # an error may be that of a proxy, which hands on other paths
                    is_wrong = response.status < 400
                is_websocket = response.status == HTTPStatus.UPGRADE_REQUIRED
                return refusal if is_wrong or is_websocket else None
        except Failure:
            return None

    async def status(self) -> tuple[Status, bytes]:
        """What `GET /status` says, read and as it came."""
        body = await self.ask("GET", "/status")
        try:
            return read_status(body), body
        except ValueError as error:
            raise self.unreadable(error) from None

    @asynccontextmanager
    async def _request(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        with self._as_failures():
            response = await self._session.request(method, self.name + path, allow_redirects=False, **options)
        self.has_answered, self._no_server_hint = True, ""
        async with response:
            yield response

    async def _read(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Event, None]:
        self._check_packing(response)
        stream = EventStream()
        with self._as_failures():
            async for chunk in response.content.iter_any():
                try:
                    for name, data in stream.feed(chunk):
                        event = read_event(name, data)
                        if event is not None:
                            yield event
                except ValueError as error:
                    raise self.unreadable(error) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        self._check_packing(response)
        body = bytearray()
        with self._as_failures():
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    raise self.unreadable(f"an answer of more than {LONGEST_ANSWER} bytes")
        return bytes(body)

    def _check_packing(self, response: aiohttp.ClientResponse) -> None:
        """Refuse what is packed, and was not asked for so: few bytes may become many. Raises Failure."""
        packing = response.headers.get("Content-Encoding", "identity")
        if packing.lower() != "identity":
            raise self.unreadable(f"an answer in {packing}")

    async def _refusal(self, response: aiohttp.ClientResponse) -> Failure:
        """The error that this answer is."""
        if response.content_type == "application/problem+json":
            failure = read_problem(await self._body(response))
            if failure is not None and failure.code == "unauthorized":  # it tells of a header
                return Failure(failure.code, f"{failure.message}; --key or SD_B64_KEY holds it")
            if failure is not None:
                return failure
        if response.status == HTTPStatus.UPGRADE_REQUIRED:
            return Failure(UNREACHABLE, f"{self.name} is a websocket's port, and HTTP has another one")
        where = response.headers.get("Location")
        leads = f" and leads to {plain(where)}" if where else ""
        answer = f"{response.status} {plain(response.reason or '')}{leads}"
        if response.status == HTTPStatus.UNAUTHORIZED:  # a 403 may be AirPlay's, that has the port on macOS
            wants = f"{self.name} answers {answer}; a proxy before it may want a password"
            return Failure("unauthorized", wants)
        if response.status in {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}:
            gone = f"{self.name} answers {answer}: a proxy is there, the service behind it does not answer"
            return Failure(UNREACHABLE, gone)
        return self._not_ours(answer)

    def hangs_up(self) -> Failure:
        """What is wrong where nothing was ever answered, and each connection breaks."""
        question = f"{self.name} hangs up on every request; is it an sd-b64-api server, or meant as https?"
        return Failure(UNREACHABLE, question + self._other_port_hint)

    def unreadable(self, problem: object) -> Failure:
        """What is wrong where its words make no sense."""
        why = plain(str(problem))  # it may quote the server
        return Failure(UNREADABLE, f"{self.name} says what this client does not understand: {why}")

    def _not_ours(self, answer: str) -> Failure:
        question = f"{self.name} answers {answer}; is it an sd-b64-api server?"
        return Failure(UNREACHABLE, question + self._other_port_hint)

    @contextmanager
    def _as_failures(self) -> Iterator[None]:
        try:
            yield
        except aiohttp.ClientConnectorCertificateError as error:
            hint = "for one of your own, SSL_CERT_FILE=FILE names who signed it"
            raise Failure(UNREACHABLE, f"{self.name}: {_reason(error)}; {hint}") from error
        except aiohttp.ClientConnectorSSLError as error:
            fault = f"{self.name} is not reached: {_reason(error)}; is it meant as http?"
            raise Failure(UNREACHABLE, fault) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            fault = f"{self.name} is not reached: {_reason(error)}{self._no_server_hint}"
            raise Failure(UNREACHABLE, fault) from error
        except aiohttp.ClientResponseError as error:  # what it says is no HTTP
            raise self._not_ours("no HTTP") from error
        except (aiohttp.ClientError, OSError) as error:  # its time-outs are TimeoutErrors, and so OSErrors
            raise Failure(CONNECTION_LOST, f"{self.name}: {_reason(error)}") from error


@asynccontextmanager
async def reach(address: Address) -> AsyncIterator[Server]:
    """Open what is needed to talk to this server; nothing is sent yet."""
    headers = {"User-Agent": "sd-b64", "Accept-Encoding": "identity"}
    if address.key:
        headers["Authorization"] = f"Bearer {address.key}"
    elif address.has_login:  # aiohttp takes none that Latin-1 lacks a letter of
        words = f"{address.url.user or ''}:{address.url.password or ''}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(words).decode()}"
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_tell_sender)
    async with aiohttp.ClientSession(
        headers=headers, auto_decompress=False, trace_configs=[trace]
    ) as session:
        yield Server(session, address)


async def _tell_sender(_session: aiohttp.ClientSession, request: SimpleNamespace, _sent: object) -> None:
    if request.trace_request_ctx is not None:
        request.trace_request_ctx()


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        fault, is_tls = error.os_error, isinstance(error, aiohttp.ClientSSLError)
        if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(fault, gaierror):
            return "no such host"
        # asyncio's own text names the call and the address. Numbers of TLS are none of the system's, and
        # Windows has no words for those of sockets.
        if fault.errno and os.name != "nt" and not is_tls:
            return os.strerror(fault.errno)
        return plain(fault.strerror or str(error))
    if isinstance(error, TimeoutError):
        return "it has been silent for too long"
    broke = isinstance(error, (aiohttp.ClientPayloadError, ConnectionError))
    if broke or (isinstance(error, aiohttp.ClientOSError) and not error.errno):
        return "the connection broke"
    return plain(str(error)) or type(error).__name__
