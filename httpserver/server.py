"""The server: the routes, and the life of the socket that they listen on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from core import BACKLOG, Access, Gateway, Settings, notice_vanished
from httpserver import jobs, page, state, text
from httpserver.connection import LONGEST_LINE, Connection
from httpserver.entrance import with_plain_heads, with_short_paths
from httpserver.keys import ACCESS, CLOSING, GATEWAY, LIMITS, PROMPTS
from httpserver.middleware import admit, finish_headers
from httpserver.prompt_file import PromptFile

KEEP_ALIVE_SECONDS = 75.0
"""An idle connection's life; a proxy keeps it shorter (nginx: 60), so that it is the one that closes."""
VANISHED_SECONDS = 60
"""After how much silence a client is asked whether it is there, as in deploy/nginx.conf: before its picture
nothing is sent to it, or so little that all of it lies in the system."""
CLOSING_SECONDS = 2.0
"""What is left to write when the server closes gets this long, and then as long again."""


def init_app(gateway: Gateway, settings: Settings) -> web.Application:
    """Build the application without running it."""
    app = web.Application(middlewares=[admit], client_max_size=settings.limits.max_message_bytes)
    app[GATEWAY] = gateway
    app[ACCESS] = Access(settings)
    app[LIMITS] = settings.limits
    app[PROMPTS] = PromptFile(settings.prompt_file)
    app[CLOSING] = asyncio.Event()
    app.on_response_prepare.append(finish_headers)
    app.on_shutdown.append(_close)
    app.cleanup_ctx.append(_write_prompts)
    app.add_routes(_routes())
    return app


@asynccontextmanager
async def listen(gateway: Gateway, settings: Settings, *, port: int | None = None) -> AsyncIterator[int]:
    """Serve on `settings.http_host` while entered; yields the port. Raises OSError where that cannot be.

    Leaving it lets what is being written end; it does not wait for jobs: drain the gateway before.
    """
    runner = web.AppRunner(
        init_app(gateway, settings), handler_cancellation=True, shutdown_timeout=CLOSING_SECONDS
    )
    await runner.setup()
    try:
        async with _socket(runner, settings.http_host, settings.http_port if port is None else port) as port:
            yield port
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _socket(runner: web.AppRunner, host: str, port: int) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    manager = runner.server
    assert manager is not None
    manager.request_handler = with_short_paths(manager.request_handler)
    manager.request_factory = with_plain_heads(manager.request_factory)
    options: dict[str, Any] = {
        "access_log": None,  # costs time for each picture, and a proxy writes one
        "auto_decompress": False,  # see unpack
        "keepalive_timeout": KEEP_ALIVE_SECONDS,
        "max_line_size": LONGEST_LINE,
    }
    server = await loop.create_server(
        lambda: Connection(manager, loop=loop, **options), host, port, backlog=BACKLOG, start_serving=False
    )
    try:
        for listener in server.sockets:
            notice_vanished(listener, VANISHED_SECONDS)
        await server.start_serving()
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _routes() -> list[web.RouteDef]:
    """HEAD would run a handler like GET: where that paints or waits, it is not allowed."""
    return [
        web.get("/", page.get_page),
        web.get("/static/{name}", page.get_static),
        web.get("/text", text.get_text, allow_head=False),
        web.post("/text", text.post_text, expect_handler=text.expect),
        web.get("/image", text.get_image, allow_head=False),
        web.get("/jobs/{id}", jobs.get_job, allow_head=False),
        web.delete("/jobs/{id}", jobs.delete_job),
        web.get(r"/jobs/{id}/images/{index:\d{1,4}}", jobs.get_picture, allow_head=False),
        web.get("/catalog", state.get_catalog),
        web.get("/status", state.get_status),
        web.get("/healthz", state.get_healthz),
        web.get("/readyz", state.get_readyz),
    ]


async def _close(app: web.Application) -> None:
    app[CLOSING].set()


async def _write_prompts(app: web.Application) -> AsyncIterator[None]:
    async with app[PROMPTS]:
        yield
