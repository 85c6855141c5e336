"""Pace: how soon Discord is tried again.

discord.py (2.7.1) comes back at once to a gateway that hangs up, also where it does so each time. To one that
it cannot reach it comes back after ever longer pauses, up to 17 minutes.
"""

import asyncio
from collections.abc import Iterator
from itertools import chain
from types import SimpleNamespace
from typing import Any, Literal, cast

import aiohttp
import discord
from discord.backoff import ExponentialBackoff

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two attempts to reach Discord."""
SOON = 60.0
"""Seconds after its opening in which a gateway has to be opened again too soon: that may happen once."""
OPENED = 101
"""The status of a websocket that opens."""


def pauses(*, longest: float | None = None) -> Iterator[float]:
    """Seconds to wait before each further try, without end; at most `longest`, or LONGEST_PAUSE."""
    longest = LONGEST_PAUSE if longest is None else longest
    pause = FIRST_PAUSE
    while True:
        yield min(pause, longest)
        pause = min(2 * pause, longest)


def bound_backoff() -> None:
    """Have discord.py make no longer pauses than we do."""
    cast(Any, discord.client).ExponentialBackoff = _Backoff


class _Backoff(ExponentialBackoff[Literal[False]]):
    def delay(self) -> float:
        """See ExponentialBackoff."""
        return min(super().delay(), LONGEST_PAUSE)


class Openings:
    """Of the gateway, by the sessions of this trace: where they come too soon each waits longer."""

    def __init__(self, trace: aiohttp.TraceConfig) -> None:
        self._opened_at = -SOON
        self._pauses = chain([0.0], pauses())
        trace.on_request_start.append(self._wait)
        trace.on_request_end.append(self._note)

    async def _wait(
        self,
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        told: aiohttp.TraceRequestStartParams,
    ) -> None:
        if not told.url.scheme.startswith("ws"):
            return
        if asyncio.get_running_loop().time() < self._opened_at + SOON:
            await asyncio.sleep(next(self._pauses))
        else:
            self._pauses = chain([0.0], pauses())

    async def _note(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        if told.response.status == OPENED:
            self._opened_at = asyncio.get_running_loop().time()
