"""Discovery: is there an A1111 server on its usual port?"""

import asyncio
import logging
from enum import Enum
from urllib.parse import urlsplit

import aiohttp

from core.backends import Unreachable
from core.backends.a1111.client import Client
from core.errors import BackendError
from core.settings import SettingsError
from core.variables import BackendAddress

log = logging.getLogger(__name__)

USUAL = "http://127.0.0.1:7860"
SECONDS = 2.0
KNOCK_SECONDS = 0.5


class Found(Enum):
    """What answers there."""

    A1111 = "an A1111 server with its API"
    OTHER = "something without /sdapi"
    SILENT = "something that does not answer"
    NOTHING = "nothing"


async def discover(session: aiohttp.ClientSession, url: str = USUAL) -> Found:
    """Look for a server at `url`, for at most two seconds and a half."""
    client = Client(BackendAddress(url), session)
    try:
        async with asyncio.timeout(SECONDS):
            return Found.OTHER if await api_problem(client) else Found.A1111
    except Unreachable:
        return Found.NOTHING
    except BackendError:  # it broke off, or what it says is no HTTP
        return Found.OTHER
    except TimeoutError:
        # Windows takes two seconds to find that a port is closed.
        return Found.SILENT if await _is_open(url) else Found.NOTHING


async def usual_server(session: aiohttp.ClientSession) -> BackendAddress:
    """The A1111 server on its usual port. Raises SettingsError where there is none."""
    found = await discover(session)
    if found is Found.A1111:
        log.info("SD_BACKENDS is empty: %s paints, found on its usual port", USUAL)
        return BackendAddress(USUAL)
    demo = "name one, or start sd-b64 serve, which has a demo painter"
    problem = f"names no server, and none answers on {USUAL}; {demo}"
    if found is Found.OTHER:
        problem = f"names no server, and what listens on {USUAL} has no /sdapi: start it with --api"
    if found is Found.SILENT:
        problem = f"names no server, and what listens on {USUAL} does not answer"
    raise SettingsError("SD_BACKENDS", problem)


async def _is_open(url: str) -> bool:
    """Whether somebody takes a connection there."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def api_problem(client: Client) -> str:
    """Why there is no txt2img; empty if it is there: then a GET of it is a wrong method or needs a password.

    Raises Unreachable, BackendError.
    """
    status, problem = await client.knock("/sdapi/v1/txt2img")
    if status in {401, 405, 422}:
        return ""
    if status in {301, 302, 303, 307, 308}:
        return "it redirects to another address: https://, or that one, may be meant"
    return problem
