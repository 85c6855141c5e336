"""Downloads: pictures of messages, from Discord's own hosts and nowhere else.

An embed may name any address, also one inside our own network: those are not asked.
"""

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiohttp

from bot.pictures import read_parameters

CDN = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
MOST_BYTES = 26_214_400
"""Larger files are not read for their parameters."""
SLICE = 1 << 16
SECONDS = 10.0
READERS = 2
"""Pictures that are in memory at once, each with its file of up to 25 MiB and its pixels."""


class Downloads:
    """`api_base` is another server that stands for Discord, whose files are trusted as well."""

    def __init__(self, session: aiohttp.ClientSession, api_base: str) -> None:
        self._session = session
        self._hosts = CDN | {urlsplit(api_base).netloc} if api_base else CDN
        self._readers = asyncio.Semaphore(READERS)

    async def parameters(self, url: str) -> str | None:
        """What a picture's file says of how it was made; "" if nothing, None where it cannot be fetched."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._readers)
            data = await self.fetch(url)
            if data is None:
                return None
            reading = asyncio.get_running_loop().run_in_executor(None, read_parameters, data)
            # Who stops waiting does not stop the thread: it has the place until it is done.
            stack.pop_all()
            reading.add_done_callback(lambda _: self._readers.release())
            return await asyncio.shield(reading)

    async def fetch(self, url: str) -> bytes | None:
        """A file of a message; None where it is not Discord's, too large, or not to be had in time."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.netloc not in self._hosts:
            return None
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with self._session.get(url, timeout=timeout, allow_redirects=False) as answer:
                return await _read(answer) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None


async def _read(answer: aiohttp.ClientResponse) -> bytes | None:
    data = bytearray()
    async for part in answer.content.iter_chunked(SLICE):
        data += part
        if len(data) > MOST_BYTES:
            return None
    return bytes(data)
