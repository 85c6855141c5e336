"""Pulse: once a second a process says that it lives, holds its claims, and sees what it may have missed.

One call tells all of it, however many jobs are watched or held here: it answers with a version that rises
with each change, so that the jobs are looked at only when there is something to see.
"""

import asyncio
import logging
import secrets

from redis.exceptions import RedisError

from core.errors import QueueUnavailable
from core.events import Failed
from core.queues.refusals import unwanted, workers_vanished
from core.queues.valkey.backends import Backends
from core.queues.valkey.holding import Holding
from core.queues.valkey.listener import Listener
from core.queues.valkey.outage import reason, refuses, shuts_out
from core.queues.valkey.pictures import PICTURE_SECONDS
from core.queues.valkey.records import decode_offers, encode_end
from core.queues.valkey.store import AGAIN_SECONDS, CALL_SECONDS, Store
from core.queues.valkey.watching import Watching
from core.settings import Settings, SettingsError

log = logging.getLogger(__name__)

PULSE = 1.0
"""Seconds between two beats; shorter where LEASE_TTL is, for the pulse renews leases."""
STALE = 3.0
"""Seconds until all jobs are looked at again though nothing has happened, where time alone moves work."""
SOON = 0.05
"""Seconds between two beats at least."""
PROCESS_TTL = 10.0
"""Seconds after which a silent process no longer counts as watching anything."""
VANISHED = encode_end(Failed.of(workers_vanished()))
UNWANTED = encode_end(Failed.of(unwanted()))


class Pulse:
    """Of one process: what it finds goes to those who watch and to those who hold."""

    def __init__(
        self,
        store: Store,
        process: str,
        settings: Settings,
        backends: Backends,
        listener: Listener,
        watching: Watching,
        holding: Holding,
    ) -> None:
        self._store = store
        self._process = process
        self._max_deliveries = settings.max_deliveries
        self._backends = backends
        self._listener = listener
        self._watching = watching
        self._holding = holding
        self.words: dict[str, bytes] = {}
        """What all processes agree on, by name."""
        self._untold: dict[str, bytes] = {}
        """Of these, what Valkey may have forgotten."""
        self._begun = asyncio.Event()
        """Set once the first beat has been."""
        self._version = -1
        """Of the state that the last beat saw; -1: see to everything."""
        self._seen_at = float("-inf")
        """When a beat looked at all jobs last."""
        self._usual_pause = min(PULSE, settings.lease_ttl / 3)
        self.pause = self._usual_pause
        """Seconds until the next beat."""

    async def run(self) -> None:
        """Beat for ever, once the first beat has been; ends only by being cancelled."""
        await self._begun.wait()
        while True:
            try:
                await self.beat()
            except QueueUnavailable:  # the log has heard of it
                self.see_to_everything()
            except RedisError as error:  # a right was taken away, say
                log.error("the shared queue refuses: %s", reason(error))
                self.see_to_everything()
            except Exception:  # a fault of ours in one beat must not end all of them
                log.exception("a fault in the queue's pulse")
            await asyncio.sleep(self.pause)

    async def first(self) -> None:
        """Wait until the queue is there and this process is known to it; says so if that takes long.

        Raises SettingsError where the queue is there, and refuses what we do.
        """
        waited = False
        while not self._begun.is_set():
            try:
                await self.beat()
                async with asyncio.timeout(CALL_SECONDS):
                    await self._listener.listening.wait()
                self._begun.set()
                self._store.outage.is_muted = False
            except (QueueUnavailable, TimeoutError, RedisError) as error:
                why = error if refuses(error) else self._listener.problem or error.__cause__
                if refuses(why):
                    raise SettingsError("REDIS_URL", f"the shared queue refuses: {reason(why)}") from None
                if not waited:
                    told = reason(why) if why else "no answer"
                    state = "does not let us in" if shuts_out(why) else "is not there yet"
                    log.warning("REDIS_URL: the shared queue %s; waiting for it (%s)", state, told)
                waited = True
                await asyncio.sleep(AGAIN_SECONDS)

    async def agreed(self, name: str) -> bytes:
        """A random word of 32 bytes on which all processes agree."""
        word: bytes = await self._store.insist("agreed", name, secrets.token_bytes(32))
        self.words[name] = word
        return word

    async def beat(self) -> None:
        """We live, our claims are held, and what was told since the last beat is seen to.

        The next one comes sooner when the lease of a claim is about to end that nobody renews. Raises
        QueueUnavailable.
        """
        self.pause = self._usual_pause
        claims = self._holding.renewing
        listening = self._listener.listening.is_set()
        told = await self._store.call(
            "pulse",
            self._process,
            round(PROCESS_TTL * 1000),
            self._max_deliveries,
            VANISHED,
            UNWANTED,
            PICTURE_SECONDS * 1000,
            *(word for claim in claims for word in claim),
        )
        version, clock, known, offers, runs, waiting, next_end, heard = told
        if next_end >= 0:  # somebody should see to it just then, if its worker does not renew it
            self.pause = min(self._usual_pause, max(SOON, (next_end - clock) / 1000))
        self._backends.note(clock / 1000, decode_offers(offers), runs)
        self._holding.look_again(claims)
        if listening and not heard:  # the subscription stands, but at the server that was the primary before
            self._listener.hang_up()
        if not known:  # it took this process for dead
            self._watching.doubt()
            self._untold = dict(self.words)
        await self._agree_again()
        await self._watching.enter_again()
        if waiting:
            self._holding.wake_all()
        self._watching.leaving.say_all()
        if version == self._version and not self._is_stale:
            await self._watching.tell_places()
        else:
            await self._see_to(version)

    def see_to_everything(self) -> None:
        """Let the next beat look at all jobs, whatever the version says."""
        self._version = -1

    @property
    def _is_stale(self) -> bool:
        return self._backends.moves_work and self._backends.own_clock - self._seen_at >= STALE

    async def _agree_again(self) -> None:
        """Valkey may have come back empty: else those who come now agree on other words, as some may have."""
        while self._untold:
            name, word = next(iter(self._untold.items()))
            self.words[name] = await self._store.call("agreed", name, word)
            del self._untold[name]

    async def _see_to(self, version: int) -> None:
        """Look at all jobs: something has changed up to this version."""
        self._version = version  # already now: what is missed while it looks is for the next beat to see
        self._seen_at = self._backends.own_clock
        all_seen = False
        try:
            all_seen = await self._watching.check()
        finally:
            if not all_seen:
                self.see_to_everything()
