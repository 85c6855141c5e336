"""A prompt's way to its picture: `/text` answers with base64 in JSON, `/image` with the picture itself."""

import asyncio
from collections.abc import Callable

from aiohttp import HttpVersion11, web

from core import Completed, End, Forbidden, InvalidRequest
from core.wire import images_answer
from httpserver.answers import parts_answer, picture_answer, words_answer
from httpserver.keys import LIMITS, PROMPTS
from httpserver.messages import Wanted, job_words, read_body, read_prefer, read_query, read_wanted, unpack
from httpserver.stream import comes_again, stream_events, wants_events
from httpserver.watching import completed, last_event, resumed, submitted

BODY_SECONDS = 30.0
"""How long a client may take to send its JSON."""

Answer = Callable[[Completed, str], web.StreamResponse]
"""How a wire tells of the pictures of the job with this id."""


async def get_text(request: web.Request) -> web.StreamResponse:
    """`GET /text?input=PROMPT`: the pictures in JSON."""
    return await _paint(request, _in_query(request), _as_text)


async def post_text(request: web.Request) -> web.StreamResponse:
    """`POST /text`: the same with the parameters in a JSON object."""
    return await _paint(request, await _in_body(request), _as_text)


async def get_image(request: web.Request) -> web.StreamResponse:
    """`GET /image?input=PROMPT`: the first picture as the body."""
    return await _paint(request, _in_query(request), _as_picture)


async def _paint(request: web.Request, wanted: Wanted, answer: Answer) -> web.StreamResponse:
    """Submit, and answer in the way that the client's headers ask for."""
    streams = wants_events(request)
    if streams and comes_again(request):
        return web.Response(status=204)
    request.app[PROMPTS].remember(wanted.image.prompt)
    prefer = read_prefer(request.headers.getall("Prefer", ()))
    later = prefer.respond_async
    if streams:
        # Whose stream ends before the job does comes again for it.
        async with resumed(request, wanted, keep=later or prefer.wait is not None) as watch:
            return await stream_events(request, watch, prefer.wait)
    # For who waits for the picture alone, no server is asked how far it is, and no place is reckoned.
    async with submitted(request, wanted, keep=later, progress=False, place=later) as watch:
        event = await (last_event(watch, prefer.wait or 0) if later else watch.end())
    if not isinstance(event, End):
        headers = {"Location": f"/jobs/{watch.id}", "Preference-Applied": "respond-async"}
        return words_answer(job_words(event, watch.id), status=202, headers=headers)
    return answer(completed(event), watch.id)


def _in_query(request: web.Request) -> Wanted:
    wanted = read_wanted(read_query(request.rel_url), request.app[LIMITS])
    if wanted.keep and _is_led_here(request):
        raise Forbidden("another site's link may have nothing kept: open it without keep")
    return wanted


def _is_led_here(request: web.Request) -> bool:
    """Whether another site's page led its reader here, as a script may do over and over.

    What is not kept ends as the next begins. A page that asks by itself has an Origin, which was judged.
    """
    return "Origin" not in request.headers and "cross-site" in request.headers.getall("Sec-Fetch-Site", ())


async def expect(request: web.Request) -> None:
    """Say nothing yet to `Expect: 100-continue`; aiohttp would want the body before it is known who asks."""


async def _in_body(request: web.Request) -> Wanted:
    if request.rel_url.raw_query_string:
        raise InvalidRequest("POST takes its parameters in the body, not in the URL")
    most = request.client_max_size
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=request.content_length or 0)
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # no answer has begun
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        late = f"the body did not arrive within {BODY_SECONDS:g} seconds"
        raise web.HTTPRequestTimeout(reason=late) from None
    body = unpack(request.headers.get("Content-Encoding", "").lower(), body, most)
    if len(body) > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(body))
    # Not request.content_type: its parser takes most of a second for a header full of quotes.
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return read_wanted(read_body(kind, body), request.app[LIMITS])


def _as_text(pictures: Completed, id: str) -> web.StreamResponse:
    return parts_answer(images_answer(pictures, id), pictures)


def _as_picture(pictures: Completed, id: str) -> web.StreamResponse:
    return picture_answer(pictures, 0, id)
