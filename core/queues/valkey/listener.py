"""Listener: a process's one subscription, on one channel of its own, however many jobs it watches.

Messages may be lost (pub/sub promises nothing); what was lost is found by the pulse: so `on_begin` is called
whenever the subscription stands anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.queues.valkey.records import Message, decode_message
from core.queues.valkey.resolving import look_up_first
from core.queues.valkey.store import AGAIN_SECONDS, CALL_SECONDS, PREFIX, connection_options

log = logging.getLogger(__name__)

AFTER_FAULT = 1.0
"""Seconds until the next try after a fault of our own, so that one that stays does not fill the log."""
PING_SECONDS = 1.0
"""A connection on which nothing is heard is asked whether it is there; unanswered, it is given up."""


class Listener:
    """Hears what is told to this process; `run` must run beside it."""

    def __init__(
        self, url: str, process: str, on_message: Callable[[Message], None], on_begin: Callable[[], None]
    ) -> None:
        self._url = url
        self._channel = f"{PREFIX}p:{process}"
        self._on_message = on_message
        self._on_begin = on_begin
        self.listening = asyncio.Event()
        """Set while the subscription stands."""
        self.problem: Exception | None = None
        """Why it does not stand, as far as that is known; holds no credentials."""

    async def run(self) -> None:
        """Listen for ever, over every break; ends only by being cancelled."""
        while True:
            pause = AGAIN_SECONDS
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("the subscription broke: %r", error)
                self.problem = error
            except Exception as error:  # a fault of ours in one subscription must not end all of them
                log.exception("a fault in the subscription to the shared queue")
                self.problem = error
                pause = AFTER_FAULT
            finally:
                self.listening.clear()
            await asyncio.sleep(pause)

    def hang_up(self) -> None:
        """Give this subscription up, and make another one: it hears nothing."""
        self.listening.clear()

    async def _listen(self) -> None:
        client = Redis.from_url(self._url, **connection_options(), retry=Retry(NoBackoff(), 0))
        look_up_first(client.connection_pool)
        async with client, client.pubsub() as subscription:
            async with asyncio.timeout(CALL_SECONDS):
                await subscription.subscribe(self._channel)
                await subscription.parse_response()  # that it stands
            self.listening.set()
            self._on_begin()  # what was said before may be lost
            await self._hear_all(subscription)

    async def _hear_all(self, subscription: PubSub) -> None:
        heard = time.monotonic()
        while self.listening.is_set():
            message = await subscription.parse_response(block=False, timeout=PING_SECONDS)
            if message is None:
                if time.monotonic() - heard > 3 * PING_SECONDS:
                    return
                async with asyncio.timeout(CALL_SECONDS):
                    await subscription.ping()
                continue
            heard = time.monotonic()
            if message[0] == b"message":
                self._hear(message[2])

    def _hear(self, data: bytes) -> None:
        try:
            self._on_message(decode_message(data))
        except Exception:  # a fault in one message must not end the hearing of all
            log.exception("a message of the shared queue could not be read")
