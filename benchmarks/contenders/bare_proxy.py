"""A bare aiohttp proxy: `GET /text?input=...` to txt2img and back. No queue, no checks, no events.

It splices: the picture is cut out of the answer's bytes and never parsed, as our own fast path does. Settings
of aiohttp as ours (uvloop, keep-alive, the same read buffer, no access log).

    python -m benchmarks.contenders.bare_proxy PORT BACKEND_PORT ...
"""

import asyncio
import itertools
import sys

import aiohttp
import uvloop
from aiohttp import web

READ_BUFFER = 4 * 1024 * 1024
MARK = b'"images":["'

SESSION = web.AppKey("session", aiohttp.ClientSession)
URLS: "web.AppKey[itertools.cycle[str]]" = web.AppKey("urls")


async def text(request: web.Request) -> web.Response:
    """Ask the next server in turn, and answer the picture in JSON."""
    words = {"prompt": request.query["input"], "steps": 20}
    urls = request.app[URLS]
    async with request.app[SESSION].post(next(urls), json=words) as response:
        body = await response.read()
    start = body.index(MARK) + len(MARK)
    picture = memoryview(body)[start : body.index(b'"', start)]
    return web.Response(
        body=b"".join((b'{"image-base64":"', picture, b'"}')), content_type="application/json"
    )


async def serve(port: int, backends: list[str]) -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app.add_routes([web.get("/text", text)])
    app[URLS] = itertools.cycle(f"http://127.0.0.1:{backend}/sdapi/v1/txt2img" for backend in backends)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), read_bufsize=READ_BUFFER
    ) as session:
        app[SESSION] = session
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(serve(int(sys.argv[1]), sys.argv[2:]))
