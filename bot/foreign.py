"""Foreign answers: what stands in front of Discord, as a proxy, may answer in its place, in words of its own.

discord.py (2.7.1) takes each answer for Discord's, and stumbles over one that it cannot read: a page with
status 200 ended the bot. And a page with 403 speaks for nobody: what Discord refuses is refused for good, and
that passes. Here such an answer is none, and Discord was not reached.
"""

import json
from types import SimpleNamespace

import aiohttp

WITHOUT_WORDS = {101, 204}
"""A websocket that opens, and what was done without a word."""
JSON = "application/json"
"""The type of all that Discord says, to the letter."""
TRUE_OF_ALL = {413, 429}
"""Too large, and too often: that is so whoever says it, as any 5xx is."""


class ForeignAnswer(aiohttp.ClientError):
    """Discord was not reached."""


def refusing_pages() -> aiohttp.TraceConfig:
    """For a session: its requests raise ForeignAnswer where the answer is one."""
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(_check)
    return trace


async def _check(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestEndParams
) -> None:
    answer = told.response
    if answer.status not in WITHOUT_WORDS and not _is_readable(answer, await answer.read()):
        raise ForeignAnswer(f"something in front of Discord answers, with status {answer.status}")


def _is_readable(answer: aiohttp.ClientResponse, body: bytes) -> bool:
    """Whether discord.py can read this, and is right to heed it."""
    try:
        text = body.decode()
        words = json.loads(text) if answer.headers.get("Content-Type") == JSON else None
    except ValueError:
        return False
    if answer.status == 429 and "Via" in answer.headers:  # it waits for as long as that says
        return isinstance(words, dict) and "retry_after" in words
    return words is not None or answer.status in TRUE_OF_ALL or answer.status >= 500
