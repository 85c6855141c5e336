"""Holding: the worker half's view. Claims of this process's workers, from taking a job to its end."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from msgspec.structs import replace

from core.events import Completed, End, Progress
from core.queues import AVOID_SECONDS, OFFER_TTL, VOID, Again, Claim, Wish
from core.queues.valkey.pictures import Pictures
from core.queues.valkey.records import decode_request, encode_end, encode_progress, picture_keys
from core.queues.valkey.store import Store
from core.settings import Settings

POLL = 1.0
"""Seconds between two tries of a worker that was not woken: a message to wake it may be lost."""
LAPSED = -1
"""What `finish` answers where the pictures are no more."""


class Holding:
    """All claims of one process. Nothing here raises because the queue is away: it waits."""

    def __init__(
        self,
        store: Store,
        pictures: Pictures,
        process: str,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._process = process
        self._settings = settings
        self._clock = clock
        self._idle: dict[str, asyncio.Event] = {}
        self._renewing: dict[tuple[str, int], asyncio.Event] = {}
        """Claims that the pulse renews, each with the event that its wish may be another one."""

    @property
    def renewing(self) -> list[tuple[str, int]]:
        """Claims that the pulse renews: their workers wait for another wish, or send the pictures."""
        return list(self._renewing)

    def look_again(self, claims: Iterable[tuple[str, int]]) -> None:
        """The workers of these claims see what is wished now: a message may have been lost."""
        for claim in claims:
            if claim in self._renewing:
                self._renewing[claim].set()

    def wish_changed(self, id: str) -> None:
        """Let the worker that holds this job look at what is wanted of it."""
        for (held, _), changed in self._renewing.items():
            if held == id:
                changed.set()

    def wake(self, backend: str) -> None:
        """There may be a job for this backend."""
        if backend in self._idle:
            self._idle[backend].set()

    def wake_all(self) -> None:
        """There may be a job for anybody: one that was kept from a backend for a while, say."""
        for woken in self._idle.values():
            woken.set()

    async def claim(self, backend: str) -> Claim:
        """See Queue.claim."""
        while True:
            woken = self._idle[backend] = asyncio.Event()
            try:
                claim = await self._try_claim(backend)
                if claim is not None:
                    return claim
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await woken.wait()
            finally:
                if self._idle.get(backend) is woken:
                    del self._idle[backend]

    async def renew(self, claim: Claim, wish: Wish) -> Wish:
        """See Queue.renew."""
        with self._renewed(claim) as changed:
            now = await self._wish_of(claim)
            with suppress(TimeoutError):  # the worker asks again at once, and each call begins with a renewal
                async with asyncio.timeout(min(self._settings.lease_ttl, OFFER_TTL) / 3):
                    while now.held and now == wish:
                        await changed.wait()
                        changed.clear()
                        now = await self._wish_of(claim)
        return now

    async def publish(self, claim: Claim, progress: Progress) -> None:
        """See Queue.publish."""
        full = encode_progress(progress)
        bare = full if progress.preview is None else encode_progress(replace(progress, preview=None))
        if full is bare or not await self._pictures.preview(claim.id, claim.attempt, bare, full):
            await self._store.attempt("publish", claim.id, claim.attempt, bare, bare)

    async def finish(self, claim: Claim, outcome: End | Again) -> bool:
        """See Queue.finish."""
        if isinstance(outcome, Again):
            return await self._give_back(claim, outcome)
        return await self._end(claim, outcome)

    # --- inside

    async def _give_back(self, claim: Claim, again: Again) -> bool:
        return bool(
            await self._store.insist(
                "again",
                claim.id,
                claim.attempt,
                int(again.counts),
                self._settings.max_attempts,
                encode_end(again.error),
                round(AVOID_SECONDS * 1000),
                _new_name(),
            )
        )

    async def _end(self, claim: Claim, end: End) -> bool:
        images, size = (end.images, end.size) if isinstance(end, Completed) else ((), 0)
        keys = picture_keys(claim.id, claim.attempt, len(images))
        words, call, answer = encode_end(end), _new_name(), LAPSED
        # The pulse holds the claim meanwhile: over a slow line pictures take longer than a lease.
        with self._renewed(claim) as changed:

            async def held() -> bool:
                """Asked only after a pulse or a word: not for a picture that is there at once."""
                if not changed.is_set():
                    return True
                changed.clear()
                return (await self._wish_of(claim)).held

            while answer == LAPSED:  # if the queue was away for long in between
                await self._pictures.store(keys, [image.base64 for image in images], held)
                # Where the claim is void, this drops what is stored of them.
                answer = await self._store.insist(
                    "finish", claim.id, claim.attempt, words, len(images), size, call
                )
        return bool(answer)

    @contextmanager
    def _renewed(self, claim: Claim) -> Iterator[asyncio.Event]:
        """Within, the pulse renews this claim; the event says that its wish may be another one.

        The worker does not wait for its keeper to end: the picture may be on its way by then, and renew the
        claim itself. So what a later call renews is not let go of.
        """
        key = (claim.id, claim.attempt)
        changed = self._renewing[key] = asyncio.Event()
        try:
            yield changed
        finally:
            if self._renewing.get(key) is changed:
                del self._renewing[key]

    async def _try_claim(self, backend: str) -> Claim | None:
        token = _new_name()
        sent = 0.0

        def now() -> tuple[()]:
            """The lease begins with the try that is answered: the queue may have been away before it."""
            nonlocal sent
            sent = self._clock()
            return ()

        try:
            answer = await self._store.insist(
                "claim", backend, self._process, token, self._settings.model_slack, last=now
            )
        except asyncio.CancelledError:
            # What it got, or may still get, goes back; if the queue is away, the lease of that lapses.
            await self._store.attempt("unclaim", token, backend, self._process, whole=True)
            raise
        if not answer:
            return None
        id, fence, failures, request, flags = answer
        return Claim(
            id.decode(),
            int(fence),
            int(failures),
            decode_request(request),
            _wish(flags),
            sent + self._settings.lease_ttl,
        )

    async def _wish_of(self, claim: Claim) -> Wish:
        return _wish(await self._store.insist("renew", claim.id, claim.attempt))


def _new_name() -> str:
    """Names one call, so that it may be made again."""
    return secrets.token_hex(8)


def _wish(flags: int) -> Wish:
    if flags < 0:
        return VOID
    return Wish(held=True, watched=bool(flags & 2), preview=bool(flags & 4))
