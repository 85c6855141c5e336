"""The events of a job as `text/event-stream`, named as the websocket's types."""

import asyncio
import math

from aiohttp import HttpVersion11, web

from core import LOCAL_ENDS, Completed, End, Event, Failed, Watch
from core.wire import Parts, encode, event_words, image_message
from httpserver.answers import pieces_of, write_pieces

HEARTBEAT_SECONDS = 15.0
"""A comment after so much silence keeps proxies from taking the connection for dead."""
_OVER = "over"
"""The id that a finished stream leaves with its client, see `comes_again`; before that it is the job's."""
_HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


def wants_events(request: web.Request) -> bool:
    """Whether the client asks for the events instead of one answer."""
    return "text/event-stream" in request.headers.get("Accept", "").lower()


def comes_again(request: web.Request) -> bool:
    """Whether this is a browser's EventSource, back because its stream came to an end.

    It does that by itself, and would have a new picture painted every few seconds; 204 tells it to stop.
    """
    return request.headers.get("Last-Event-ID") == _OVER


async def stream_events(request: web.Request, watch: Watch, seconds: float | None) -> web.StreamResponse:
    """Write a job's events as they come, until its last, or for so many seconds.

    With 0 what is known already is told, whole: a picture that is there, or the last word without it.
    """
    response = web.StreamResponse(headers=_HEADERS)
    if request.version < HttpVersion11:
        response.force_close()  # it knows no other end of what has no length
    writer = await response.prepare(request)
    assert writer is not None
    clock = asyncio.get_running_loop().time
    until = clock() + (math.inf if seconds is None else seconds)
    named = False
    while True:
        try:
            async with asyncio.timeout(min(HEARTBEAT_SECONDS, until - clock())):
                event = await anext(watch, None)
        except TimeoutError:
            if clock() >= until:
                await response.write_eof()
                return response
            await write_pieces(writer, [b": the job goes on\n"])
            continue
        if event is None:
            break
        await write_pieces(writer, pieces_of(_message(event, watch.id, named=named)))
        named = True
    await response.write_eof()
    return response


def _message(event: Event, id: str, *, named: bool) -> Parts:
    """Each block has data: many clients take one with an id alone for an event without words, or drop the id.

    The job's id stands before the data of the first, and the last one's behind: a client that keeps an id as
    soon as it reads it, and then loses the connection, has not said that it has a picture.
    """
    name = b"" if named else f"id: {id}\n".encode()
    over = isinstance(event, End) and not (isinstance(event, Failed) and event.code in LOCAL_ENDS)
    end = f"\nid: {_OVER}\n\n".encode() if over else b"\n\n"
    if not isinstance(event, Completed):
        words = event_words(event, id)
        return (f"event: {words['type']}\n".encode() + name + b"data: " + encode(words) + end,)
    parts: list[bytes | memoryview] = []
    last = len(event.images) - 1
    for index in range(len(event.images)):
        head, picture, tail = image_message(event, index, id)
        start = b"event: image\n" + (b"" if index else name) + b"data: "
        parts += [start + bytes(head), picture, bytes(tail) + (end if index == last else b"\n\n")]
    return tuple(parts)
