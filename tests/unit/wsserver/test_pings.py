"""Pings: every peer is asked in its turn, many of them together, and nobody waits for that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from typing import cast

import pytest

from tests.unit.core.examples import soon
from wsserver.peer import Peer
from wsserver.pings import AT_ONCE, Pings

INTERVAL, TIMEOUT = 0.02, 0.06


class Asked:
    """A peer that notes when it was asked, and how often the event loop had turned by the first time."""

    turns = 0

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.turn = -1
        self.again = asyncio.Event()

    def ask(self, now: float, timeout: float) -> None:
        assert timeout == TIMEOUT
        if not self.moments:
            self.turn = Asked.turns
        self.moments.append(now)
        self.again.set()


@pytest.fixture
async def pings() -> AsyncIterator[Pings]:
    pings = Pings(INTERVAL, TIMEOUT)
    yield pings
    pings.close()


def join(pings: Pings, peer: Asked) -> Asked:
    pings.add(cast(Peer, peer))
    return peer


async def test_each_is_asked_again_and_again_at_least_an_interval_apart(pings: Pings) -> None:
    early = join(pings, Asked())
    await soon(early.again.wait())
    late = join(pings, Asked())
    while len(early.moments) < 4 or len(late.moments) < 3:
        early.again.clear()
        await soon(early.again.wait())
    for peer in (early, late):
        gaps = [after - before for before, after in zip(peer.moments, peer.moments[1:], strict=False)]
        assert min(gaps) >= INTERVAL - 0.002


async def test_who_has_left_is_asked_no_more_and_nobody_once_it_is_closed(pings: Pings) -> None:
    left, there = join(pings, Asked()), join(pings, Asked())
    pings.discard(cast(Peer, left))
    pings.discard(cast(Peer, left))
    await soon(there.again.wait())
    assert left.moments == []
    pings.close()
    assert pings._timer.cancelled()


async def test_however_many_are_due_others_have_their_turn_in_between() -> None:
    with closing(Pings(0.0, TIMEOUT)) as pings:  # all are due when the timer first rings, on any machine
        peers = [join(pings, Asked()) for _ in range(3 * AT_ONCE)]

        async def turn() -> None:
            while True:
                Asked.turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        await soon(peers[-1].again.wait())
        turning.cancel()
    turns = [peer.turn for peer in peers]
    assert turns == sorted(turns), "first come, first asked"
    assert {turns.count(turn) for turn in turns} == {AT_ONCE}
