"""ValkeyQueue: the queue's home for many processes. What is one step stands in `lua/`; here it is called.

Each process hears on one channel of its own what happens to the jobs that its front ends watch and to the
claims that its workers hold. Messages may be lost; the pulse makes up for that, since it compares versions.

Putting and Watching are the front half, Holding is the worker half; Listener and Pulse run beside both.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from core.caller import Caller
from core.errors import ShuttingDown
from core.events import End, Failed, Progress
from core.offers import Catalog, Offer
from core.queues import OFFER_TTL, Again, Claim, Wish
from core.queues.refusals import expired, no_such_job, not_yours
from core.queues.valkey.backends import Backends
from core.queues.valkey.holding import Holding
from core.queues.valkey.listener import Listener
from core.queues.valkey.pictures import Pictures
from core.queues.valkey.pulse import Pulse
from core.queues.valkey.putting import Putting
from core.queues.valkey.records import CANCELLED, Message, by_name, decode_run, encode_offer
from core.queues.valkey.store import Store
from core.queues.valkey.watching import Watching
from core.request import ImageRequest
from core.settings import Settings
from core.status import BackendStatus, Status
from core.watch import Watch

log = logging.getLogger(__name__)

STOPPING = Failed.of(
    ShuttingDown("this process is about to stop; the job lives on: ask again, or attach to it")
)


class ValkeyQueue:
    """See core.queues.Queue for what each method promises. `run` must run beside it.

    `process` names this process among all; `skew` is seconds added to Valkey's clock, for tests.
    """

    local = False

    def __init__(
        self,
        settings: Settings,
        *,
        process: str | None = None,
        skew: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.process = process or secrets.token_hex(8)
        self.store = Store(settings, skew=skew)
        self.pictures = Pictures(self.store)
        self._listener = Listener(settings.redis_url, self.process, self._hear, self._missed_something)
        self._backends = Backends(clock)
        self._watching = Watching(
            self.store, self.pictures, self.process, self._backends, self._listener.listening, self._spawn
        )
        self._putting = Putting(self.store, settings, self._backends, self._watching, self._spawn)
        self._holding = Holding(self.store, self.pictures, self.process, settings, clock)
        self._pulse = Pulse(
            self.store, self.process, settings, self._backends, self._listener, self._watching, self._holding
        )
        self._group: asyncio.TaskGroup | None = None
        self.tasks = 0
        """How many run that `_spawn` began."""

    # --- the front half

    async def put(self, id: str, request: ImageRequest, caller: Caller, *, keep: bool) -> None:
        """See Queue.put."""
        await self._putting.put(id, request, caller, keep=keep)

    async def events(
        self, id: str, *, preview: bool = False, progress: bool = True, place: bool = True
    ) -> Watch:
        """See Queue.events."""
        watch = Watch(id, preview=preview, progress=progress, place=place)
        await self._watching.enter(watch)
        if self._putting.is_closed:  # it was on its way here when `drain` told all who wait
            self._watching.end_all(self._watching.waiting, STOPPING)
        return watch

    async def leave(self, watch: Watch) -> None:
        """See Queue.leave."""
        await self._watching.leave(watch, abandon=False)

    async def abandon(self, watch: Watch) -> None:
        """See Queue.abandon."""
        await self._watching.leave(watch, abandon=True)

    async def forsake(self, id: str) -> None:
        """See Queue.forsake."""
        await self._watching.forsake(id)

    async def cancel(self, id: str, caller: Caller) -> bool:
        """See Queue.cancel."""
        call = secrets.token_hex(8)
        match await self.store.call("cancel", id, caller.name, CANCELLED, call):
            case b"none":
                raise no_such_job()
            case b"expired":
                raise expired()
            case b"forbidden":
                raise not_yours()
            case b"ended":
                return False
        return True

    async def offers(self) -> Catalog:
        """See Queue.offers."""
        return Catalog(await self._backends.ask(self.store))

    async def status(self, caller: Caller) -> Status:
        """See Queue.status."""
        waiting, waits, runs, on, owners, workers = await self.store.call("status")
        waiting_of, running_of = _counts(waits), _counts(runs)
        painting = {backend for backend, _, _ in map(decode_run, on)}
        owner_of = {backend.decode(): owner.decode() for backend, owner in owners}
        return Status(
            waiting=waiting,
            running=len(on),
            callers=len(waiting_of.keys() | running_of.keys()),
            own_waiting=waiting_of.get(caller.name, 0),
            own_running=running_of.get(caller.name, 0),
            waiting_by_caller=tuple(sorted(waiting_of.values(), reverse=True)),
            workers=workers,
            backends=tuple(
                BackendStatus(offer, offer.backend in painting, owner_of.get(offer.backend))
                for offer in self._backends.offers
            ),
        )

    async def drain(self, grace: float) -> None:
        """See Queue.drain. The jobs live on: those who watch them here are told to go elsewhere."""
        self._putting.is_closed = True
        self._watching.end_all(self._watching.waiting, STOPPING)
        try:
            async with asyncio.timeout(grace):
                await self._watching.nothing_watched()
        except TimeoutError:
            self._watching.end_all([*self._watching.running, *self._watching.waiting], STOPPING)

    # --- the worker half

    async def offer(self, offer: Offer) -> None:
        """See Queue.offer."""
        await self.store.insist(
            "offer",
            offer.backend,
            self.process,
            round(OFFER_TTL * 1000),
            int(offer.usable),
            int(offer.resting),
            offer.loaded or "",
            "" if offer.pace is None else repr(offer.pace),
            encode_offer(offer),
            len(offer.models),
            *offer.models,
            *offer.samplers,
        )
        others = [known for known in self._backends.offers if known.backend != offer.backend]
        self._backends.offers = by_name([*others, offer])

    async def claim(self, backend: str) -> Claim:
        """See Queue.claim."""
        return await self._holding.claim(backend)

    async def renew(self, claim: Claim, wish: Wish) -> Wish:
        """See Queue.renew."""
        return await self._holding.renew(claim, wish)

    async def publish(self, claim: Claim, progress: Progress) -> None:
        """See Queue.publish."""
        await self._holding.publish(claim, progress)

    async def finish(self, claim: Claim, outcome: End | Again) -> bool:
        """See Queue.finish."""
        return await self._holding.finish(claim, outcome)

    # --- what runs beside both

    async def run(self) -> None:
        """Listen and pulse for ever; ends only by being cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.listen())
                group.create_task(self._pulse.run())
        finally:
            await self.store.close()

    async def listen(self) -> None:
        """Hear what is told to this process, and work on it."""
        async with asyncio.TaskGroup() as self._group:
            await self._listener.run()

    async def pulse(self) -> None:
        """One beat of the pulse, which `run` repeats. Raises QueueUnavailable."""
        await self._pulse.beat()

    async def first_pulse(self) -> None:
        """Wait until the queue is there and this process is known to it; says so if that takes long."""
        await self._pulse.first()

    async def agreed(self, name: str) -> bytes:
        """A random word of 32 bytes on which all processes agree."""
        return await self._pulse.agreed(name)

    def word(self, name: str) -> bytes:
        """The same word, as it is now: a Valkey that came back empty may have heard of another one first."""
        return self._pulse.words[name]

    def pace_of(self, backend: str) -> float | None:
        """What was measured on a backend, by whomever."""
        return next((offer.pace for offer in self._backends.offers if offer.backend == backend), None)

    # --- inside

    def _hear(self, message: Message) -> None:
        match message.letter:
            case "B":
                self._holding.wake(message.id)
            case "W":
                self._holding.wish_changed(message.id)
            case _:
                self._watching.hear(message)

    def _missed_something(self) -> None:
        """Messages may have been lost."""
        self._pulse.see_to_everything()
        self._watching.doubt()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Work on something in a task of its own: a message, say, that nobody waits for."""
        if self._group is None:
            coroutine.close()
            return
        self.tasks += 1
        self._group.create_task(self._work(coroutine))

    async def _work(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Exception:  # a fault in one of them must not end the hearing of all messages
            log.exception("a fault in the work beside the shared queue")
        finally:
            self.tasks -= 1


def _counts(pairs: Sequence[bytes]) -> dict[str, int]:
    """A hash of counts, by caller."""
    return {name.decode(): int(number) for name, number in zip(pairs[::2], pairs[1::2], strict=True)}
