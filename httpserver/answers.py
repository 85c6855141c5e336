"""Answers: words, pictures and errors as responses of aiohttp."""

import asyncio
import sys
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from core import BackendError, Completed, Event, SdError
from core.wire import Parts, Words, encode, problem_headers, problem_words
from httpserver.cork import Corkable
from httpserver.messages import file_name

PIECE = 1_048_576 if sys.platform == "win32" else 4_194_304
"""Bytes that are written at once: about a millisecond's work, in which nobody else is served.

Windows' event loop alone does not tell how much of a piece a slow client has taken.
"""
DECODED_PIECE = 262_144
"""Characters of base64 that are decoded at once (a multiple of 4): about as long a work."""

ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "sd-b64-api"}
"""What every answer bears. The name takes the place of aiohttp's, which tells versions to strangers."""

Piece = bytes | memoryview


class PiecesResponse(web.StreamResponse):
    """An answer of a known size that is written piece by piece, so that it is never made as a whole.

    Its head and what comes `first` leave in one call of the system where that can be. It holds the event `of`
    which it tells until all is written: others who ask for the same result meanwhile share its pictures.
    """

    def __init__(
        self,
        first: Parts,
        rest: Iterable[Piece],
        size: int,
        headers: Mapping[str, str],
        of: Event | None = None,
    ) -> None:
        super().__init__(headers={**headers, "Content-Length": str(size)})
        self._first = first
        self._rest = rest
        self._of = of

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write it all; waits while the client does not read, and lets others have their turn."""
        writer = await self._begin(request)
        rest, self._rest = self._rest, ()
        if writer is not None:
            await writer.drain()
            await write_pieces(writer, rest)
        self._of = None
        return writer

    async def _begin(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        # Nothing refers to it afterwards: while the connection waits for its next request the memory is used
        # for the next picture, which finds it in the processor's cache.
        first, self._first = self._first, ()
        transport = request.transport
        if not isinstance(transport, Corkable):  # None: the client is gone
            raise ConnectionResetError
        kept = transport.cork()
        try:
            writer = await super().prepare(request)
            kept += first
        finally:
            transport.uncork()
        return writer


async def write_pieces(writer: AbstractStreamWriter, pieces: Iterable[Piece]) -> None:
    """Write one after another, each once the client has taken the one before.

    So a slow client is seen to read, on every event loop, and what is held of a large picture shrinks.
    """
    for piece in pieces:
        if len(piece) > DECODED_PIECE // 2:
            await asyncio.sleep(0)  # a client that takes all at once makes no write wait
        await writer.write(piece)
        await writer.drain()


def pieces_of(parts: Parts) -> Iterator[Piece]:
    """The same bytes in pieces of bounded size; nothing is copied."""
    for part in parts:
        if len(part) <= PIECE:
            yield part
            continue
        view = memoryview(part)
        for at in range(0, len(view), PIECE):
            yield view[at : at + PIECE]


def decoded(base64: Piece) -> Iterator[bytes]:
    """What this base64 says, piece by piece. Raises binascii.Error where it is no base64."""
    view = memoryview(base64)
    for at in range(0, len(view), DECODED_PIECE):
        piece = a2b_base64(view[at : at + DECODED_PIECE], strict_mode=True)
        if at + DECODED_PIECE < len(view) and len(piece) < DECODED_PIECE // 4 * 3:
            raise BinasciiError("padding before the end")  # the picture would be shorter than its size
        yield piece


def decoded_size(base64: Piece) -> int:
    """Bytes that it says: three for every four characters, less the padding."""
    return len(base64) // 4 * 3 - bytes(base64[-2:]).count(b"=")


def words_answer(
    words: Words, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON object."""
    return web.Response(body=encode(words), status=status, headers=headers, content_type="application/json")


def parts_answer(parts: Parts, of: Event | None = None) -> web.StreamResponse:
    """JSON in parts that are there, `of` an event."""
    size = sum(map(len, parts))
    headers = {"Content-Type": "application/json"}
    if size > PIECE:
        return PiecesResponse((), pieces_of(parts), size, headers, of)
    return PiecesResponse(parts, (), size, headers, of)


def picture_answer(completed: Completed, index: int, id: str) -> web.StreamResponse:
    """One picture itself, decoded here and nowhere else, on its way out.

    Raises BackendError where its first piece is no base64. Later than that its size has been promised, so
    the connection breaks.
    """
    image = completed.images[index]
    headers = {
        "Content-Type": f"image/{image.format}",
        "Content-Disposition": f'inline; filename="{file_name(completed, index, id)}"',
        "X-Job-Id": id,
    }
    if image.seed is not None:
        headers["X-Seed"] = str(image.seed)
    pieces = decoded(image.base64)
    try:
        first = next(pieces, b"")
    except BinasciiError as error:
        raise BackendError(f"{completed.backend}: its picture is no base64: {error}") from None
    return PiecesResponse((first,), pieces, decoded_size(image.base64), headers, completed)


def problem_answer(
    error: SdError, *, status: int | None = None, id: str | None = None, line_break: bool = False
) -> web.Response:
    """An error. With the `line_break` before it, the original bash client prints it instead of decoding."""
    words = problem_words(error, status, id)
    return web.Response(
        body=(b"\n" if line_break else b"") + encode(words),
        status=words["status"],
        headers=problem_headers(error),
        content_type="application/problem+json",
    )
