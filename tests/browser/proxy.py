"""A proxy of the page's tests: services under paths of one address."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

Delay = Callable[[web.Request], Awaitable[None]]


@asynccontextmanager
async def proxy(
    targets: Mapping[str, str], *, without: str = "", delay: Delay | None = None
) -> AsyncIterator[str]:
    """A small reverse proxy that hands on what comes for these paths, after a delay, but for one header."""

    async def hand_on(request: web.Request) -> web.StreamResponse:
        if delay:
            await delay(request)
        prefix = next(prefix for prefix in targets if request.path.startswith(f"{prefix}/"))
        url = targets[prefix] + request.path_qs.removeprefix(prefix)
        body = await request.read()
        headers = request.headers.copy()
        headers.popall(without, None)
        async with client.request(request.method, url, headers=headers, data=body) as answer:
            kept = {name: value for name, value in answer.headers.items() if name != "Content-Encoding"}
            kept = {name: value for name, value in kept.items() if name != "Content-Length"}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hand_on)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    async with aiohttp.ClientSession() as client:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
