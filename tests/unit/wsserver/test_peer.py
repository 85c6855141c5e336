"""What a peer may cost: judged by what its transport still holds."""

import asyncio
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from core.stall import STALL_SECONDS
from tests.unit.core.examples import soon
from wsserver.peer import (
    LONGEST_HEAD,
    MOST_CONTROLS,
    MOST_PONGS,
    PARTING_SECONDS,
    PING,
    SLICE,
    STRANGER_BYTES,
    Peer,
    frame_head,
)

EMPTY_PONG = bytes([0x8A, 0x80, 0, 0, 0, 0])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 3_000_000])
def test_a_frame_is_the_one_that_websockets_makes(size: int) -> None:
    payload = b"x" * size
    assert frame_head(size) + payload == Frame(Opcode.TEXT, payload).serialize(mask=False)


class Transport(asyncio.Transport):
    """Holds what is written until the test says that it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent = 0
        self.aborted = False
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing to set."""

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: Any) -> None:
        assert not self.aborted
        self.unsent += len(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading and not self.aborted

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Nobody reads it."""

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Timers:
    """Stands in for the loop and its clock: `turn` runs what is next, `fire` what is due next."""

    def __init__(self) -> None:
        self.pending: list[tuple[float, Callable[[], None]]] = []
        self.soon: list[Callable[[], None]] = []

    def create_task(self, handler: object) -> object:
        """Whom the peer talks to is not asked."""
        return handler

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        now, self.soon = self.soon, []
        for callback in now:
            callback()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        entry = (delay, callback)
        self.pending.append(entry)
        timers = self

        class Handle:
            def cancel(self) -> None:
                timers.pending.remove(entry)

        return Handle()

    def time(self) -> float:
        return 0.0

    def fire(self) -> None:
        _, callback = self.pending.pop(0)
        callback()


class Fed(ServerProtocol):
    """Notes how many bytes it was given at a time."""

    def __init__(self, state: State) -> None:
        super().__init__(state=state)
        self.fed: list[int] = []

    def receive_data(self, data: bytes | bytearray) -> None:
        self.fed.append(len(data))
        super().receive_data(data)


def peer_in(state: State) -> Peer:
    """Its server is never asked."""
    server: Any = SimpleNamespace(handler=lambda _: None, handler_tasks=set())
    peer = Peer(Fed(state), server, max_queue=16)
    peer.loop = cast(Any, Timers())
    peer.connection_made(Transport())
    return peer


@pytest.fixture
async def peer() -> Peer:
    """An open connection."""
    peer = peer_in(State.OPEN)
    peer.request = cast(Any, object())
    return peer


def transport_of(peer: Peer) -> Transport:
    return cast(Transport, peer.transport)


def fed_to(peer: Peer) -> list[int]:
    return cast(Fed, peer.protocol).fed


def timers_of(peer: Peer) -> Timers:
    return cast(Timers, peer.loop)


def receive(peer: Peer, data: bytes) -> None:
    """Let it come in one read, and let the loop turn until nothing is left to do."""
    peer.data_received(data)
    while timers_of(peer).soon:
        timers_of(peer).turn()


def ping(size: int = 125) -> bytes:
    """A client's ping, masked with zeros."""
    return bytes([0x89, 0x80 | size, 0, 0, 0, 0]) + bytes(size)


async def test_a_peer_that_does_not_read_what_is_written_is_watched(peer: Peer) -> None:
    peer.pause_writing()
    assert [delay for delay, _ in timers_of(peer).pending] == [STALL_SECONDS]
    timers_of(peer).fire()
    assert transport_of(peer).aborted


async def test_a_peer_that_was_cut_off_hears_nothing_and_nothing_is_raised(peer: Peer) -> None:
    peer.send_at_once(b"one")
    assert transport_of(peer).unsent == len(frame_head(3)) + 3
    transport_of(peer).abort()
    peer.send_at_once(b"two")
    assert transport_of(peer).unsent == len(frame_head(3)) + 3


async def test_who_answers_no_ping_in_time_is_cut_off_and_any_word_is_an_answer(peer: Peer) -> None:
    for now in (10.0, 20.0, 30.0):
        peer.ask(now, timeout=30.0)
    assert transport_of(peer).unsent == 3 * len(PING)
    peer.data_received(ping())
    for now in (40.0, 50.0, 60.0):
        peer.ask(now, timeout=30.0)
    assert peer.protocol.close_sent is None
    peer.ask(70.0, timeout=30.0)
    assert peer.protocol.close_sent is not None
    assert [delay for delay, _ in timers_of(peer).pending] == [PARTING_SECONDS]
    peer.ask(80.0, timeout=30.0)


async def test_a_peer_that_has_something_to_read_is_not_asked_and_is_there_once_it_has_read(
    peer: Peer,
) -> None:
    peer.ask(0.0, timeout=30.0)
    peer.pause_writing()
    for now in (10.0, 50.0, 90.0):
        peer.ask(now, timeout=30.0)
    assert transport_of(peer).unsent == len(PING)
    peer.resume_writing()
    peer.ask(100.0, timeout=30.0)
    assert peer.protocol.close_sent is None


async def test_who_says_more_than_is_read_is_not_asked(peer: Peer) -> None:
    """Its answers lie where nobody looks."""
    peer.ask(0.0, timeout=30.0)
    transport_of(peer).reading = False
    peer.ask(50.0, timeout=30.0)
    transport_of(peer).reading = True
    peer.ask(60.0, timeout=30.0)
    assert peer.protocol.close_sent is None


async def test_who_speaks_no_websocket_is_cut_off(peer: Peer) -> None:
    peer.data_received(b"\x81\x01a")  # not masked
    assert [delay for delay, _ in timers_of(peer).pending] == [PARTING_SECONDS]
    timers_of(peer).fire()
    assert transport_of(peer).aborted


async def test_a_peer_that_has_read_is_watched_no_more(peer: Peer) -> None:
    peer.pause_writing()
    peer.resume_writing()
    assert timers_of(peer).pending == []


async def test_pings_of_a_peer_that_does_not_read_are_not_answered_without_end(peer: Peer) -> None:
    peer.pause_writing()
    answered = 0
    while not transport_of(peer).aborted:
        peer.data_received(ping())
        answered += 1
    assert transport_of(peer).unsent <= MOST_PONGS + 200
    assert answered > 100


async def test_pongs_do_not_hide_that_a_peer_reads(peer: Peer) -> None:
    transport_of(peer).unsent = 1_000_000
    peer.pause_writing()
    peer.data_received(ping())
    transport_of(peer).unsent -= 1
    timers_of(peer).fire()
    assert not transport_of(peer).aborted


async def test_pings_of_a_peer_that_reads_are_answered(peer: Peer) -> None:
    for _ in range(2000):
        peer.data_received(ping())
    assert not transport_of(peer).aborted


async def test_a_stranger_that_sends_much_is_cut_off(peer: Peer) -> None:
    """What it may say is judged by the handler before there is more."""
    peer.stranger = True
    receive(peer, ping() * 60)
    assert not transport_of(peer).aborted
    receive(peer, ping() * 60)
    assert transport_of(peer).aborted
    assert sum(fed_to(peer)) == STRANGER_BYTES


async def test_a_stranger_that_sends_much_in_one_read_is_cut_off_as_soon(peer: Peer) -> None:
    peer.stranger = True
    receive(peer, EMPTY_PONG * 41_000)
    assert transport_of(peer).aborted
    assert sum(fed_to(peer)) == STRANGER_BYTES


async def test_of_a_handshake_that_does_not_end_no_more_is_held_than_one_may_have() -> None:
    peer = peer_in(State.CONNECTING)
    receive(peer, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(120)))
    assert transport_of(peer).aborted
    assert sum(fed_to(peer)) == LONGEST_HEAD


async def test_a_stranger_may_say_as_much_behind_a_long_handshake() -> None:
    peer = peer_in(State.CONNECTING)
    receive(peer, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(4)))
    receive(peer, b"\r\n")
    assert peer.request is not None
    peer.protocol.state = State.OPEN
    peer.stranger = True
    receive(peer, b"\x81\xfe" + struct.pack("!H", 8000) + bytes(4) + b"a" * 8000)
    assert not transport_of(peer).aborted
    assert await soon(peer.recv_messages.get()) == "a" * 8000


@pytest.mark.parametrize("cut", range(0, 24, 3))
async def test_what_comes_behind_a_request_is_read_once_that_is_answered(cut: int) -> None:
    """However it is cut, and also what comes after it."""
    peer = peer_in(State.CONNECTING)
    said = b"GET / HTTP/1.1\r\n\r\n" + ping()
    for part in (said[:cut], said[cut:]):
        receive(peer, part)
    assert peer.request is not None
    assert sum(fed_to(peer)) == len(said) - len(ping())
    assert not peer.transport.is_reading()
    peer.protocol.state = State.OPEN
    peer.send_data()
    receive(peer, b"")
    assert sum(fed_to(peer)) == len(said)
    assert peer.transport.is_reading()
    assert transport_of(peer).unsent == len(ping()) - 4, "a pong, which is not masked"


async def test_who_came_in_may_send_more(peer: Peer) -> None:
    peer.stranger = True
    peer.data_received(ping() * 120)
    peer.stranger = False
    receive(peer, b"")
    assert not transport_of(peer).aborted
    assert sum(fed_to(peer)) == len(ping() * 120)


async def test_of_a_large_read_a_slice_is_parsed_at_a_time_and_others_have_their_turn(peer: Peer) -> None:
    message = bytes([0x81, 0xFF]) + struct.pack("!Q", 200_000) + bytes(4) + b"a" * 200_000
    peer.data_received(message)
    for turns in range(len(message) // SLICE):
        assert fed_to(peer) == [SLICE] * (turns + 1)
        assert not peer.transport.is_reading()
        timers_of(peer).turn()
    assert sum(fed_to(peer)) == len(message)
    assert not peer.transport.is_reading(), "whoever takes the message has his turn before"
    timers_of(peer).turn()
    assert peer.transport.is_reading()
    assert await peer.recv() == "a" * 200_000


async def test_messages_that_are_not_taken_are_not_parsed_and_come_in_their_order(peer: Peer) -> None:
    texts = [f"{number:05}" for number in range(5000)]
    receive(peer, b"".join(b"\x81\x85" + bytes(4) + text.encode() for text in texts))
    assert fed_to(peer) == [SLICE]
    taken: list[str | bytes] = []
    while len(taken) < len(texts):
        taken.append(await soon(peer.recv()))
        timers_of(peer).turn()
        assert len(peer.recv_messages.frames) < SLICE // 11 + 16
    assert taken == texts
    assert max(fed_to(peer)) == SLICE
    assert peer.transport.is_reading()


async def test_what_was_read_from_a_peer_that_is_gone_is_forgotten(peer: Peer) -> None:
    peer.data_received(EMPTY_PONG * 41_000)
    transport_of(peer).abort()
    peer.connection_lost(None)
    timers_of(peer).turn()
    assert fed_to(peer) == [SLICE]


async def test_the_first_end_that_was_set_counts(peer: Peer) -> None:
    peer.end_within(1)
    peer.end_within(5)
    assert [delay for delay, _ in timers_of(peer).pending] == [1]


async def test_a_peer_that_does_nothing_but_ping_is_cut_off(peer: Peer) -> None:
    for _ in range(10):
        receive(peer, ping() * (MOST_CONTROLS // 10))
    assert timers_of(peer).pending == []
    peer.data_received(ping())
    assert peer.state is State.CLOSING
    assert [delay for delay, _ in timers_of(peer).pending] == [PARTING_SECONDS]


async def test_pongs_in_one_read_are_counted_while_they_are_parsed(peer: Peer) -> None:
    receive(peer, EMPTY_PONG * 41_000)
    assert peer.state is State.CLOSING
    assert peer._controls < MOST_CONTROLS + SLICE / len(EMPTY_PONG) + 1


async def test_a_peer_that_pings_now_and_then_stays(peer: Peer) -> None:
    for now in range(3):
        receive(peer, ping() * (MOST_CONTROLS * 2 // 3))
        peer.ask(now * 10.0, 60.0)
    assert peer.state is State.OPEN
