"""Answers: words, pictures and errors as responses of aiohttp."""

import asyncio
import sys
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from core import Completed, SdError
from core.wire import Parts, Words, encode
from httpserver.cork import Corkable
from httpserver.messages import file_name, problem_headers, problem_words

PIECE = 1_048_576 if sys.platform == "win32" else 4_194_304
"""Bytes that are written at once: about a millisecond's work, in which nobody else is served.

Windows' event loop alone does not tell how much of a piece a slow client has taken.
"""
DECODED_PIECE = 262_144
"""Characters of base64 that are decoded at once (a multiple of 4): about as long a work."""

ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "sd-b64-api"}
"""What every answer bears. The name takes the place of aiohttp's, which tells versions to strangers."""


class PiecesResponse(web.StreamResponse):
    """An answer of a known size that is written piece by piece, so that it is never made as a whole.

    Its head and its first piece leave in one call of the system where that can be.
    """

    def __init__(self, pieces: Iterable[Parts], size: int, headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "Content-Length": str(size)})
        self._pieces = pieces

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write it all; waits while the client does not read, and lets others have their turn."""
        # Nothing refers to it afterwards: while the connection waits for its next request the memory is used
        # for the next picture, which finds it in the processor's cache.
        pieces, self._pieces = iter(self._pieces), ()
        transport = request.transport
        if not isinstance(transport, Corkable):
            writer = await super().prepare(request)
        else:
            first = next(pieces, ())
            kept = transport.cork()
            try:
                writer = await super().prepare(request)
                kept += first
            finally:
                transport.uncork()
            if writer is not None:
                await writer.drain()
        if writer is not None:
            await write_pieces(writer, pieces)
        return writer


async def write_pieces(writer: AbstractStreamWriter, pieces: Iterable[Parts]) -> None:
    """Write one after another, each once the client has taken the one before.

    So a slow client is seen to read, on every event loop, and what is held of a large picture shrinks.
    """
    for piece in pieces:
        for part in piece:
            await writer.write(part)
        await writer.drain()
        if sum(map(len, piece)) > DECODED_PIECE // 2:
            await asyncio.sleep(0)  # a client that takes all at once makes no write wait


def pieces_of(parts: Parts) -> Iterator[Parts]:
    """The same bytes in pieces of bounded size; nothing is copied."""
    if sum(map(len, parts)) <= PIECE:
        yield parts
        return
    for part in parts:
        view = memoryview(part)
        for at in range(0, len(view), PIECE):
            yield (view[at : at + PIECE],)


def decoded(base64: bytes | memoryview) -> Iterator[Parts]:
    """What this base64 says, piece by piece. Raises binascii.Error where it is no base64."""
    view = memoryview(base64)
    for at in range(0, len(view), DECODED_PIECE):
        yield (a2b_base64(view[at : at + DECODED_PIECE], strict_mode=True),)


def decoded_size(base64: bytes | memoryview) -> int:
    """Bytes that it says: three for every four characters, less the padding."""
    return len(base64) // 4 * 3 - bytes(base64[-2:]).count(b"=")


def words_answer(
    words: Words, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON object."""
    return web.Response(body=encode(words), status=status, headers=headers, content_type="application/json")


def parts_answer(parts: Parts) -> web.StreamResponse:
    """JSON in parts that are there."""
    return PiecesResponse(pieces_of(parts), sum(map(len, parts)), {"Content-Type": "application/json"})


def picture_answer(completed: Completed, index: int, id: str) -> web.StreamResponse:
    """One picture itself, decoded here and nowhere else, on its way out."""
    image = completed.images[index]
    headers = {
        "Content-Type": f"image/{image.format}",
        "Content-Disposition": f'inline; filename="{file_name(completed, index, id)}"',
        "X-Job-Id": id,
    }
    if image.seed is not None:
        headers["X-Seed"] = str(image.seed)
    return PiecesResponse(decoded(image.base64), decoded_size(image.base64), headers)


def problem_answer(error: SdError, *, status: int | None = None, line_break: bool = False) -> web.Response:
    """An error. With the `line_break` before it, the original bash client prints it instead of decoding."""
    words = problem_words(error, status)
    return web.Response(
        body=(b"\n" if line_break else b"") + encode(words),
        status=words["status"],
        headers=problem_headers(error),
        content_type="application/problem+json",
    )
