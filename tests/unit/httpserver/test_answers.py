"""Bodies in pieces: what they hold is what they would hold in one."""

import asyncio
import base64
from binascii import Error, a2b_base64
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp.abc import AbstractStreamWriter
from hypothesis import given
from hypothesis import strategies as st

from httpserver import answers
from httpserver.answers import DECODED_PIECE, PIECE, decoded, decoded_size, pieces_of, write_pieces

CUT = DECODED_PIECE // 4 * 3
SIZES = [*range(8), *(CUT + beside for beside in (-2, -1, 0, 1, 2)), 4 * CUT]


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_any_size_is_decoded_whole(size: int) -> None:
    picture = bytes(number * 7 % 256 for number in range(size))
    text = memoryview(base64.b64encode(picture))
    assert b"".join(decoded(text)) == picture
    assert decoded_size(text) == size
    assert max((len(piece) for piece in decoded(text)), default=0) <= DECODED_PIECE


@given(st.binary(max_size=200), st.integers(1, 8))
def test_pieces_of_any_size_say_what_the_whole_says(picture: bytes, fours: int) -> None:
    text = base64.b64encode(picture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "DECODED_PIECE", 4 * fours)
        assert b"".join(decoded(text)) == a2b_base64(text)
    assert decoded_size(text) == len(a2b_base64(text))


def test_what_is_no_base64_is_an_error_and_not_a_shorter_picture() -> None:
    """Its size was promised already."""
    with pytest.raises(Error):
        list(decoded(b"AAAA AAA"))


def test_padding_in_the_middle_is_an_error_and_not_a_shorter_picture() -> None:
    with pytest.raises(Error, match="padding"):
        list(decoded(b"A" * (DECODED_PIECE - 2) + b"==" + b"AAAA"))


@given(st.lists(st.binary(max_size=30), max_size=5), st.integers(1, 8))
def test_parts_are_cut_and_nothing_else(parts: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "PIECE", size)
        pieces = list(pieces_of(tuple(parts)))
    assert b"".join(pieces) == b"".join(parts)
    assert all(len(piece) <= size for piece in pieces)


@pytest.mark.parametrize(
    "pieces", [pieces_of((b"{", b"x" * 4 * PIECE, b"}")), decoded(b"A" * 4 * DECODED_PIECE)]
)
async def test_while_a_large_picture_is_written_others_have_their_turn(pieces: Iterator[bytes]) -> None:
    """Also where the client takes all at once, so that no write ever waits."""
    written: list[bytes] = []
    turns = 0

    class Writer(AbstractStreamWriter):
        async def write(self, chunk: Any) -> None:
            written.append(bytes(chunk))

        async def drain(self) -> None: ...

        async def write_eof(self, chunk: bytes = b"") -> None: ...

        async def write_headers(self, status_line: str, headers: Any) -> None: ...

        def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None: ...

        def enable_chunking(self) -> None: ...

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await write_pieces(Writer(), pieces)
    beside.cancel()
    assert len(written) >= 4
    assert turns >= 4
