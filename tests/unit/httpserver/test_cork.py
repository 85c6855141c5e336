"""Corkable: what is written meanwhile leaves in one call, in its order; all else is the transport's own."""

import asyncio
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_writer import StreamWriter
from aiohttp.test_utils import make_mocked_request

from core import BackendError
from httpserver.answers import DECODED_PIECE, PIECE, parts_answer, picture_answer
from httpserver.cork import Corkable
from tests.unit.core.examples import painted


class Written(asyncio.Transport):
    """Notes each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closing = False
        self.left = 0
        """Bytes that the client has not taken."""
        self.looks: list[int | None] = []

    def write(self, data: Any) -> None:
        self.calls.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.calls.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.left

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.looks.append(high)


def test_between_the_two_nothing_leaves_and_then_all_at_once() -> None:
    own = Written()
    transport = Corkable(own)
    transport.write(b"before")
    kept = transport.cork()
    transport.write(b"one ")
    transport.writelines([b"two ", memoryview(b"three ")])
    kept.append(b"four")
    assert own.calls == [b"before"]
    transport.uncork()
    transport.write(b"after")
    assert own.calls == [b"before", b"one two three four", b"after"]
    assert own.looks == [0]
    own.left = 17
    assert transport.get_write_buffer_size() == 17
    transport.cork()
    transport.write(b"more")
    transport.uncork()
    assert own.looks == [0, 0], "that the client does not keep up is seen on every Python"


def test_where_nothing_was_written_nothing_leaves() -> None:
    own = Written()
    transport = Corkable(own)
    transport.cork()
    transport.uncork()
    assert own.calls == []


async def send(transport: Corkable, response: web.StreamResponse) -> None:
    """Send it as aiohttp does on this transport."""
    protocol = BaseProtocol(asyncio.get_running_loop())
    protocol.connection_made(cast(asyncio.Transport, transport))
    writer = StreamWriter(protocol, asyncio.get_running_loop())
    request = make_mocked_request("GET", "/text", writer=writer, transport=transport)
    await response.prepare(request)
    await response.write_eof()


async def test_an_answers_head_and_its_picture_leave_in_one_call_and_nothing_refers_to_them() -> None:
    own = Written()
    picture = bytearray(b"x" * 600_000)
    response = parts_answer((b'{"image-base64":"', memoryview(picture), b'"}'))
    await send(Corkable(own), response)
    (whole,) = own.calls
    head, body = whole.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 600019\r\n")
    assert body == b'{"image-base64":"' + b"x" * 600_000 + b'"}'
    picture.clear()  # which nothing may refer to any more


async def test_what_is_larger_than_a_piece_leaves_piece_by_piece() -> None:
    own = Written()
    await send(Corkable(own), parts_answer((b"{", b"x" * (PIECE + 1), b"}")))
    assert max(map(len, own.calls)) == PIECE
    assert b"".join(own.calls).endswith(b"x}")


async def test_a_client_that_is_gone_leaves_no_cork_in() -> None:
    own = Written()
    own.closing = True
    transport = Corkable(own)
    with pytest.raises(ConnectionError):
        await send(transport, parts_answer((b"{", b"}")))
    transport.write(b"more")
    assert own.calls == [b"more"]


async def test_a_pictures_head_leaves_with_its_first_piece() -> None:
    own = Written()
    await send(Corkable(own), picture_answer(painted(picture=b"A" * 2 * DECODED_PIECE), 0, "job"))
    first, second = own.calls
    assert first.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n")
    assert first.endswith(b"\r\n\r\n" + bytes(DECODED_PIECE // 4 * 3))
    assert second == bytes(DECODED_PIECE // 4 * 3)


def test_what_cannot_be_decoded_is_seen_before_anything_is_promised() -> None:
    with pytest.raises(BackendError, match="gpu:1: its picture is no base64"):
        picture_answer(painted(picture=b"no base64"), 0, "job")
