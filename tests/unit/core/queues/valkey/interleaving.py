"""What lets something happen just where a test wants it: before a call of the queue, or in its place."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.errors import QueueUnavailable
from core.queues.valkey import ValkeyQueue
from core.queues.valkey.records import Message
from tests.unit.core.examples import ALICE
from tests.unit.core.queues.homes import ValkeyHome


def before(
    monkeypatch: pytest.MonkeyPatch, queue: ValkeyQueue, script: str, act: Callable[[], Awaitable[Any]]
) -> None:
    """Let this happen just before Valkey runs that script for the queue, once."""
    call = queue.store.call
    acted = False

    async def late(name: str, *args: Any, **options: Any) -> Any:
        nonlocal acted
        if name == script and not acted:
            acted = True
            args += options.pop("last", tuple)()
            await act()
        return await call(name, *args, **options)

    monkeypatch.setattr(queue.store, "call", late)


@contextmanager
def cut_off(
    monkeypatch: pytest.MonkeyPatch, queue: ValkeyQueue, script: str
) -> Iterator[list[tuple[Any, ...]]]:
    """Let calls of that script be cut off on their way meanwhile: to be made late, perhaps."""
    call, sent = queue.store.call, list[tuple[Any, ...]]()

    async def send(name: str, *args: Any, **options: Any) -> Any:
        if name == script:
            sent.append((name, *args, *options.pop("last", tuple)()))
            raise QueueUnavailable("away")
        return await call(name, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(queue.store, "call", send)
        yield sent


async def cancelled_unheard(
    queue: ValkeyQueue, home: ValkeyHome, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Awaitable[None]]:
    """A job that is watched here is cancelled; the word of it comes when this is called."""
    late = list[Message]()
    with monkeypatch.context() as patch:
        patch.setattr(queue._watching, "hear", late.append)
        assert await queue.cancel("job", ALICE)
        await home.settle()

    async def come() -> None:
        for message in late:
            queue._watching.hear(message)

    return come
