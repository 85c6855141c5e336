"""An Outbox sends one message at a time, and nothing overtakes what waits for its turn."""

import asyncio
from typing import cast

from core.wire import Parts
from tests.unit.core.examples import soon
from wsserver.outbox import Outbox
from wsserver.peer import Peer


class SlowPeer:
    """Takes each message once it is allowed to."""

    paused = False

    def __init__(self) -> None:
        self.taken: list[Parts] = []
        self.may_take = asyncio.Event()
        self.has_room = asyncio.Event()
        self.has_room.set()

    async def room(self) -> None:
        await self.has_room.wait()

    def send_at_once(self, message: bytes) -> None:
        self.taken.append((message,))

    async def send_text(self, message: Parts) -> None:
        await self.may_take.wait()
        self.taken.append(message)


async def test_it_is_not_free_between_two_turns() -> None:
    """A job's progress that went at once there would come before the start that waits for its turn."""
    peer = SlowPeer()
    outbox = Outbox(cast(Peer, peer))
    assert outbox.is_free
    free_after = {}

    async def send(*parts: bytes) -> None:
        await outbox.send(*parts)
        free_after[parts] = outbox.is_free

    async with asyncio.TaskGroup() as tasks:
        for parts in ((b"a", b"picture"), (b"second",)):
            tasks.create_task(send(*parts))
        await asyncio.sleep(0)
        assert not outbox.is_free
        peer.may_take.set()
    assert free_after == {(b"a", b"picture"): False, (b"second",): True}
    assert peer.taken == [(b"a", b"picture"), (b"second",)]
    peer.paused = True
    assert not outbox.is_free


async def test_a_short_message_to_a_peer_that_keeps_up_waits_for_nobody() -> None:
    peer = SlowPeer()
    outbox = Outbox(cast(Peer, peer))
    order: list[int] = []
    await outbox.send(b"message", before=lambda: order.append(len(peer.taken)))
    assert (order, peer.taken) == ([0], [(b"message",)])
    assert outbox.is_free


async def test_one_that_is_cut_off_leaves_it_free() -> None:
    outbox = Outbox(cast(Peer, SlowPeer()))
    sending = asyncio.create_task(outbox.send(b"a", b"picture"))
    await asyncio.sleep(0)
    sending.cancel()
    await soon(asyncio.gather(sending, return_exceptions=True))
    assert outbox.is_free


async def test_what_went_at_once_and_is_not_read_is_all_that_a_peer_holds() -> None:
    """Nothing is written behind it before it is read; the label of a job that ends is taken until then."""
    peer = SlowPeer()
    peer.may_take.set()
    peer.has_room.clear()
    peer.paused = True
    outbox = Outbox(cast(Peer, peer))
    order: list[str] = []
    sending = asyncio.create_task(outbox.send(b"message", before=lambda: order.append("before")))
    await asyncio.sleep(0)
    assert (order, peer.taken) == ([], [])
    peer.has_room.set()
    await soon(sending)
    assert (order, peer.taken) == (["before"], [(b"message",)])
