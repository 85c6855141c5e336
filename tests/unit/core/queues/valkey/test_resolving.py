"""Names: Valkey's may be gone from DNS for a while."""

import asyncio
import gc
import socket
from typing import Any

import pytest
from redis.exceptions import RedisError

from core.errors import QueueUnavailable
from core.queues.valkey.listener import Listener
from core.queues.valkey.store import Store
from core.settings import Settings

NOWHERE = "redis://valkey.invalid/0"


@pytest.mark.parametrize("who", ["calls", "listens"])
def test_a_look_up_that_fails_after_its_call_was_given_up_is_no_error_of_nobody(
    monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Where the name server is gone a look-up takes longer than any call; here calls are given up at once."""
    uvloop = pytest.importorskip("uvloop")
    monkeypatch.setattr("core.queues.valkey.store.CALL_SECONDS", 0.0005)
    monkeypatch.setattr("core.queues.valkey.listener.CALL_SECONDS", 0.0005)
    of_nobody: list[dict[str, Any]] = []

    async def give_up() -> None:
        if who == "listens":
            with pytest.raises((RedisError, TimeoutError)):
                await Listener(NOWHERE, "p", lambda _: None, lambda: None)._listen()
            return
        store = Store(Settings(redis_url=NOWHERE))
        with pytest.raises(QueueUnavailable):
            await store.call("agreed", "a word", b"1" * 32)
        await store.close()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: of_nobody.append(context))
        for _ in range(3):
            await give_up()
            with pytest.raises(socket.gaierror):
                await loop.getaddrinfo("valkey.invalid", 1)  # by now the other one has failed as well
            gc.collect()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert not of_nobody


async def test_a_name_that_nobody_answers_for_is_not_looked_up_beside_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each look-up holds a thread until the system gives it up: with all of them no other name is found."""
    monkeypatch.setattr("core.queues.valkey.store.CALL_SECONDS", 0.02)
    asked, answer = list[object](), asyncio.Event()

    async def look_up(*words: object, **_: object) -> list[Any]:
        asked.append(words)
        await answer.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    store = Store(Settings(redis_url=NOWHERE))
    for _ in range(3):
        calls = [store.call("agreed", "a word", b"1" * 32) for _ in range(4)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, QueueUnavailable) for each in answers)
    assert len(asked) == 1
    answer.set()
    await store.close()
