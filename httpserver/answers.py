"""Answers: words, pictures and errors as responses of aiohttp."""

from binascii import a2b_base64
from collections.abc import Mapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from core import Completed, SdError
from core.wire import Parts, Words, encode
from httpserver.messages import file_name, problem_words, retry_after


class PartsPayload(Payload):
    """A body in parts that are written one after another, so that a picture is never copied."""

    _autoclose = True

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts, content_type="application/json")
        self._size = sum(len(part) for part in parts)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole body as one text, for whoever logs or tests a response."""
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it all; waits while the client does not read."""
        for part in self._value:
            await writer.write(part)


def parts_answer(parts: Parts) -> web.Response:
    """JSON in parts, with its length known."""
    return web.Response(body=PartsPayload(parts))


def words_answer(
    words: Words, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON object."""
    return web.Response(body=encode(words), status=status, headers=headers, content_type="application/json")


def picture_answer(completed: Completed, index: int, id: str) -> web.Response:
    """One picture itself, decoded here and nowhere else."""
    image = completed.images[index]
    headers = {
        "Content-Type": f"image/{image.format}",
        "Content-Disposition": f'inline; filename="{file_name(completed, index, id)}"',
        "X-Job-Id": id,
    }
    if image.seed is not None:
        headers["X-Seed"] = str(image.seed)
    return web.Response(body=a2b_base64(image.base64), headers=headers)


def problem_answer(error: SdError, *, status: int | None = None, line_break: bool = False) -> web.Response:
    """An error. With the `line_break` before it, the original bash client prints it instead of decoding."""
    words = problem_words(error, status)
    return web.Response(
        body=(b"\n" if line_break else b"") + encode(words),
        status=words["status"],
        headers=retry_after(error),
        content_type="application/problem+json",
    )
