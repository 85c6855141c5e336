"""What one connection may cost the others, and hold, before anybody knows whose it is."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest

from httpserver import connection
from httpserver.connection import LONGEST_HEAD, LONGEST_LINE, PIECE, Connection
from tests.unit.httpserver.calls import calls_of

HOST = b"Host: localhost\r\n"
CHUNKED = b"POST /text HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written, and knows whether more is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.ended = False
        self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing to set."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True


class Line:
    """A connection whose handler answers by what it was asked, and what of it was parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.keys: list[str] = []
        self.fed: list[int] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.transport = Transport()
        loop = asyncio.get_running_loop()
        self._connection = Connection(web.Server(self._answer), loop=loop, max_line_size=LONGEST_LINE)
        self._connection.connection_made(self.transport)
        parser = cast(Any, self._connection._parser)
        line = self

        class Counted:
            def feed_data(self, data: bytes) -> Any:
                if data:  # aiohttp asks for what the parser has left by feeding nothing
                    line.fed.append(len(data))
                return parser.feed_data(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(parser, name)

        monkeypatch.setattr(self._connection, "_parser", Counted())

    async def _answer(self, request: BaseRequest) -> web.StreamResponse:
        await self.answering.wait()
        self.keys += request.headers.getall("Authorization", ())
        self.asked.append((str(request.rel_url), await request.read()))
        return web.Response(text="done")

    async def say(self, data: bytes) -> None:
        """Let it come in one read, if anything is read, and let everything happen that can at once."""
        if self.transport.reading and not self.transport.closed:
            self.receive(data)
        for _ in range(200):
            await asyncio.sleep(0)

    def receive(self, data: bytes) -> None:
        self._connection.data_received(data)

    def hang_up(self) -> None:
        self._connection.connection_lost(None)

    @property
    def statuses(self) -> list[bytes]:
        """What was answered."""
        return re.findall(rb"HTTP/1\.[01] (\d+) ", self.transport.written)


@pytest.fixture
async def line(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    line = Line(monkeypatch)
    yield line
    line.hang_up()
    await asyncio.sleep(0)


async def test_a_small_read_is_parsed_at_once_and_as_it_is(line: Line) -> None:
    line.receive(GET)
    assert line.fed == [len(GET)]
    assert line.transport.reading
    await line.say(b"")
    assert line.asked == [("/healthz", b"")]


async def test_a_large_read_is_parsed_in_pieces_between_which_others_have_their_turn(line: Line) -> None:
    line.receive(CHUNKED + b"1\r\n \r\n" * 40_000 + b"0\r\n\r\n" + GET)
    turns = 0
    while not line.transport.reading:
        assert sum(line.fed) == (turns + 1) * PIECE
        await asyncio.sleep(0)
        turns += 1
    assert turns == 240_000 // PIECE
    assert max(line.fed) == PIECE
    await line.say(b"")
    assert line.asked == [("/text", b" " * 40_000), ("/healthz", b"")]


async def test_what_was_read_waits_while_the_handler_has_enough_and_comes_before_what_is_read_next(
    line: Line,
) -> None:
    line.answering.clear()
    chunks = b"1\r\na\r\n" * 40_000
    await line.say(CHUNKED + chunks)
    assert not line.transport.reading
    fed = sum(line.fed)
    assert fed < len(CHUNKED + chunks) * 2 // 3
    await line.say(b"not read")
    assert sum(line.fed) == fed
    line.answering.set()
    await line.say(b"")
    assert line.transport.reading
    await line.say(b"1\r\nb\r\n0\r\n\r\n")
    assert line.asked == [("/text", b"a" * 40_000 + b"b")]


async def test_many_requests_in_one_read_are_answered_each_in_its_turn(line: Line) -> None:
    gets = [b"GET /%d HTTP/1.1\r\n" % number + HOST + b"\r\n" for number in range(1000)]
    await line.say(b"".join(gets))
    for _ in range(20):
        await line.say(b"")
    assert [path for path, _ in line.asked] == [f"/{number}" for number in range(1000)]
    assert line.transport.reading


async def test_who_hangs_up_is_parsed_no_more(line: Line) -> None:
    line.receive(CHUNKED + b"1\r\na\r\n" * 40_000)
    line.hang_up()
    await line.say(b"")
    assert sum(line.fed) == PIECE


async def test_a_read_of_empty_lines_is_parsed_as_one(line: Line) -> None:
    """Each of them may end a head, and costs nothing all the same."""
    line.receive(GET + b"\r\n" * (PIECE // 2 - len(GET)))
    assert len(line.fed) == 2
    line.receive(b"\r\n" * (PIECE // 2))
    assert len(line.fed) == 3


@pytest.mark.parametrize("letters", [b"\xc3a", b"\xc3\xa9", bytes(range(128, 256))])
async def test_a_url_is_made_readable_in_a_few_calls_whatever_it_is_made_of(
    line: Line, letters: bytes
) -> None:
    url = b"GET /" + letters * (LONGEST_LINE // len(letters))
    assert calls_of(lambda: line.receive(url)) < 1000
    await line.say(b"")
    assert line.statuses == [b"400"]
    assert b"longer than 131072 bytes" in line.transport.written


async def test_what_stands_behind_a_fault_is_read_and_not_parsed(line: Line) -> None:
    """Else the answer would not arrive."""
    line.receive(b"GET / HTTP/9.9\r\n" + b"a" * 10 * PIECE)
    await asyncio.sleep(0)
    assert line.transport.reading
    line.receive(b"a" * 10 * PIECE)
    assert line.transport.reading
    await line.say(b"")
    assert line.statuses == [b"400"]
    assert line.fed == [PIECE]


@pytest.mark.parametrize("seconds", [0.0, 10.0])
async def test_who_was_refused_has_a_while_to_read_why(line: Line, seconds: float) -> None:
    """Unless the server closes: it waits for nobody then."""
    line._connection._lingering_time = seconds
    line.answering.clear()
    await line.say(GET)
    await line.say(b"GET / HTTP/9.9\r\n")
    assert not line.transport.ended
    line.answering.set()
    await line.say(b"")
    assert line.statuses == [b"200", b"400"]
    assert line.transport.ended
    assert line.transport.closed == (not seconds)
    line._connection.close()
    await line.say(b"")
    assert line.transport.closed


async def test_letters_may_stand_in_a_long_url_as_they_are(line: Line) -> None:
    await line.say("GET /?{} HTTP/1.1\r\n".format("é猿" * 7000).encode() + HOST + b"\r\n")
    assert line.asked == [("/?" + "%C3%A9%E7%8C%BF" * 7000, b"")]


async def test_letters_in_a_header_stay_as_they_are_in_whatever_parts_it_comes(line: Line) -> None:
    """A key beyond ASCII is the same from a client that writes byte by byte."""
    for byte in "GET /?é HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer schlüssel\r\n\r\n".encode():
        line.receive(bytes((byte,)))
    await line.say(b"")
    assert line.keys == ["Bearer schlüssel"]
    assert line.asked == [("/?%C3%A9", b"")]


WIDE = b"X-Wide: " + b"a" * 8000 + b"\r\n"
"""As much as a header may be; there may be a hundred."""


def headers(size: int) -> bytes:
    """Headers of so many bytes in all."""
    return b"".join(b"X-%04d: %s\r\n" % (number, b"a" * 992) for number in range(size // 1001))


async def test_of_a_head_that_does_not_end_no_more_is_held_than_a_head_may_have(line: Line) -> None:
    await line.say(b"GET /?" + b"a" * (LONGEST_LINE - 100) + b" HTTP/1.1\r\n" + HOST + headers(30_000))
    assert line.statuses == []
    for _ in range(100):
        await line.say(WIDE)
    assert line.statuses == [b"400"]
    assert b"longer than 163840 bytes" in line.transport.written
    assert line.transport.ended
    assert sum(line.fed) <= LONGEST_HEAD + PIECE


async def test_each_head_is_counted_by_itself_and_no_body(line: Line) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n" + headers(100_000)
    for _ in range(3):
        await line.say(head)
        await line.say(b"\r\n")
        await line.say(b"b" * 50_000)
        await line.say(b"b" * 50_000)
    assert line.statuses == [b"200"] * 3


async def test_a_head_behind_a_request_that_is_not_answered_yet_is_counted_as_well(line: Line) -> None:
    line.answering.clear()
    await line.say(GET * 3 + b"GET / HTTP/1.1\r\n")
    for _ in range(100):
        await line.say(WIDE)
    assert sum(line.fed) <= LONGEST_HEAD + PIECE
    line.answering.set()
    await line.say(b"")
    assert line.statuses == [b"200"] * 3 + [b"400"]


async def test_headers_behind_a_body_are_counted_as_those_before_it(line: Line) -> None:
    await line.say(CHUNKED + b"1\r\na\r\n0\r\n")
    for _ in range(100):
        await line.say(WIDE)
    assert sum(line.fed) <= LONGEST_HEAD + PIECE
    assert line.asked == []


async def test_a_body_may_come_in_any_parts(line: Line) -> None:
    """Its chunks, what stands between them, and its end."""
    clock = Clock(line._connection._loop)
    line._connection._loop = cast(Any, clock)
    for _ in range(2):
        await line.say(CHUNKED)
        for _ in range(200):
            await line.say(b"3e8\r\n")
            await line.say(b"a" * 1000)
            assert clock.due == []
            await line.say(b"\r\n")
        await line.say(b"0\r")
        await line.say(b"\n\r\n")
        assert clock.due == []
    assert line.asked == [("/text", b"a" * 200_000)] * 2
    assert line.statuses == [b"200"] * 2


class Clock:
    """Stands in for the loop's `call_later`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.due: list[tuple[float, Callable[..., None], tuple[object, ...]]] = []
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, delay: float, act: Callable[..., None], *args: object) -> Any:
        due, entry = self.due, (delay, act, args)
        due.append(entry)

        class Handle:
            def cancel(self) -> None:
                due.remove(entry)

        return Handle()


async def test_a_head_has_its_time_from_its_first_byte_on(line: Line) -> None:
    clock = Clock(line._connection._loop)
    line._connection._loop = cast(Any, clock)
    await line.say(GET)
    assert clock.due == [], "a whole one costs no timer"
    for part in (b"GET / HT", b"TP/1.1\r\n", HOST):
        await line.say(part)
        assert [delay for delay, _, _ in clock.due] == [connection.HEAD_SECONDS]
    await line.say(b"\r\n")
    assert clock.due == []
    await line.say(b"GET /")
    ((_, act, args),) = clock.due
    act(*args)
    await line.say(b"")
    assert line.statuses == [b"200", b"200", b"408"]
    assert b"within 30 seconds" in line.transport.written
    assert line.transport.ended
    assert clock.due == []


async def test_a_head_that_is_given_up_leaves_no_timer(line: Line) -> None:
    clock = Clock(line._connection._loop)
    line._connection._loop = cast(Any, clock)
    await line.say(b"GET /")
    line.hang_up()
    assert clock.due == []
