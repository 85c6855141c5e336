"""Jobs by their id: `/jobs/ID` tells or cancels, `/jobs/ID/images/N` is a picture.

A job that failed or was cancelled is a job all the same: it answers 200, with its `state` and the error's
words. Only what is asked of it and cannot be given is an error: its pictures, an id that is not known, or
how it goes on once this process is about to stop, or the shared queue has lost it.
"""

from aiohttp import web

from core import Cancelled, NotFound
from httpserver.answers import parts_answer, picture_answer, words_answer
from httpserver.keys import GATEWAY, VISITOR
from httpserver.messages import job_answer, job_words, read_options, read_prefer, read_query
from httpserver.stream import comes_again, stream_events, wants_events
from httpserver.watching import attached, completed, last_event


async def get_job(request: web.Request) -> web.StreamResponse:
    """State or result at once (`Prefer: wait=N`: its end, if it comes so soon), or the events."""
    options = read_options(read_query(request.rel_url), ("preview",))
    wait = read_prefer(request.headers.getall("Prefer", ())).wait
    streams = wants_events(request)
    if streams and comes_again(request):
        return web.Response(status=204)
    async with attached(request, preview=options["preview"]) as watch:
        if streams:
            return await stream_events(request, watch, wait)
        event = await last_event(watch, wait or 0)
    return parts_answer(job_answer(event, watch.id), event)


async def get_picture(request: web.Request) -> web.StreamResponse:
    """One picture of a job; waits until it is painted."""
    read_options(read_query(request.rel_url))
    index = int(request.match_info["index"])
    async with attached(request, progress=False) as watch:
        pictures = completed(await watch.end())
    if index >= len(pictures.images):
        raise NotFound(f"pictures of this job: {len(pictures.images)}; they are counted from 0")
    return picture_answer(pictures, index, watch.id)


async def delete_job(request: web.Request) -> web.StreamResponse:
    """Cancel a job. Answers the state that it is in then: an end that came before is no error.

    After such an end somebody may have asked for it anew: how that ends is not waited for.
    """
    read_options(read_query(request.rel_url))
    id = request.match_info["id"]
    if await request.app[GATEWAY].cancel(id, request[VISITOR].caller):
        return words_answer(job_words(Cancelled(), id))
    async with attached(request, progress=False) as watch:
        return words_answer(job_words(await anext(watch), id))
