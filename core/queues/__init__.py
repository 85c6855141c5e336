"""The Queue: where jobs wait. One interface, one contract test suite for all of its homes."""

from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from core.caller import Caller
from core.events import End, Failed, Progress
from core.offers import Catalog, Offer
from core.request import ImageRequest
from core.status import Status
from core.watch import Watch

OFFER_TTL = 15.0
"""Seconds that an offer holds unless it is said again."""
AVOID_SECONDS = 3.0
"""For how long a job that failed on one backend waits for another one."""


class Wish(Struct, frozen=True):
    """What the watchers of a claimed job want of the worker that holds it."""

    held: bool
    """False: the claim is void (cancelled, lapsed, taken over); stop painting."""
    watched: bool
    """Somebody reads the progress, or did so a moment ago; else nobody needs to ask the server for it."""
    preview: bool
    """Somebody wants to see previews."""


VOID = Wish(held=False, watched=False, preview=False)
"""The wish of a claim that is void."""


class Claim(Struct, frozen=True):
    """A job in a worker's hands. The attempt fences it: of two claims of one job only the last counts."""

    id: str
    attempt: int
    failures: int
    request: ImageRequest
    wish: Wish
    until: float = float("inf")
    """Unless it is renewed, another worker may get the job from then on (on the worker's monotonic clock)."""


@dataclass(frozen=True, slots=True)
class Again:
    """An outcome that is no end: the job goes back, first in line.

    `counts`: it failed while it was painted, which MAX_ATTEMPTS allows so often before the job ends as
    `error`. Otherwise (server not reached, worker about to stop) it is as if nothing had happened.
    """

    counts: bool
    error: Failed
    rest: float = 0.0
    """Seconds for which the backend takes no more, where it says so itself: new work may wait for it."""


class Queue(Protocol):
    """Holds jobs between the front ends and the workers.

    Front half (used by the Gateway): raises SdError. Worker half: never raises for a store that is away.
    """

    @property
    def local(self) -> bool:
        """Whether it lives in this process: then a picture is with it at once."""

    async def put(self, id: str, request: ImageRequest, caller: Caller, *, keep: bool) -> None:
        """Accept a job, or attach to the one with this id that waits, runs or has completed.

        Raises InvalidRequest (same id, another request; unknown sampler), UnknownModel, NoBackend,
        QueueFull, TooManyJobs. A job that failed or was cancelled is painted anew.
        """

    async def events(
        self, id: str, *, preview: bool = False, progress: bool = True, place: bool = True
    ) -> Watch:
        """Watch a job from its last state on, without `progress` and `place` for its end alone.

        Raises NotFound, Expired.
        """

    async def leave(self, watch: Watch) -> None:
        """Stop watching; the job goes on."""

    async def abandon(self, watch: Watch) -> None:
        """Stop watching because the peer went: ends the job if nobody else watches and it is not kept."""

    async def forsake(self, id: str) -> None:
        """End a job that was put and could not be watched: if nobody else watches it and it is not kept."""

    async def cancel(self, id: str, caller: Caller) -> bool:
        """End a waiting or running job at once; False if it had ended before.

        Raises NotFound, Expired, Forbidden (another caller's job).
        """

    async def offers(self) -> Catalog:
        """What the backends offer at the moment."""

    async def status(self, caller: Caller) -> Status:
        """Counts, this caller's own share, and the backends, in an order that stays.

        In memory that in which they were offered first; where they come from everywhere, by name.
        """

    async def drain(self, grace: float) -> None:
        """Give no more jobs to workers, wait `grace` seconds for those that run, end the rest.

        In memory the rest ends as `shutting_down`; a store that outlives the process keeps it.
        """

    async def offer(self, offer: Offer) -> None:
        """Say what a backend can do now; said again before OFFER_TTL lapses."""

    async def claim(self, backend: str) -> Claim:
        """Wait for the next job that this backend's offer accepts. Cancelled in mid-call, it takes none."""

    async def renew(self, claim: Claim, wish: Wish) -> Wish:
        """Keep the lease, and answer the watchers' wish as soon as it differs from `wish`.

        Answers every third of LEASE_TTL at the latest, and of OFFER_TTL: an offer is repeated in between.
        """

    async def publish(self, claim: Claim, progress: Progress) -> None:
        """Tell the watchers how far it is; does nothing once the claim is void."""

    async def finish(self, claim: Claim, outcome: End | Again) -> bool:
        """End the job or give it back; False (and no effect) if the claim is void."""
