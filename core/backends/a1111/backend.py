"""A1111Backend: one server with AUTOMATIC1111's API."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
from msgspec import structs

from core.backends import OnProgress, Wishes
from core.backends.a1111.answer import longest_answer, read_answer
from core.backends.a1111.client import Client
from core.backends.a1111.discovery import api_problem
from core.backends.a1111.lists import (
    DEMO,
    OFFERED,
    Model,
    loaded_model,
    models_of,
    models_painting,
    sampler_names,
)
from core.backends.a1111.pace import Pace
from core.backends.a1111.progress import Following, ProgressSource
from core.backends.a1111.readings import Painting
from core.backends.a1111.tasks import GIVE_UP_SECONDS, Tasks
from core.errors import BackendError
from core.events import Completed
from core.offers import Offer
from core.request import ImageRequest
from core.variables import BackendAddress

log = logging.getLogger(__name__)

LISTS_SECONDS = 60.0
"""How long the lists of models and samplers are believed."""
SAME_PACE, SAME_SECONDS = 0.05, 0.01
"""A pace that differs from the one in the offer by no larger share, or by no more seconds, comes with the
next look: no two pictures take as long."""


class A1111Backend:
    """See core.backends.Backend for what each method promises.

    `deployment` is in the names of all our tasks: by it we know our own pictures on a server again.
    `pace` is what another worker measured there, in seconds per cost unit.
    """

    def __init__(
        self,
        address: BackendAddress,
        session: aiohttp.ClientSession,
        *,
        deployment: str,
        clock: Callable[[], float] = time.monotonic,
        new_seed: Callable[[], int] = lambda: random.getrandbits(31),  # to relatives the 32nd is a sign
        give_up: float = GIVE_UP_SECONDS,
        pace: float | None = None,
    ) -> None:
        self._client = Client(address, session)
        self._progress = ProgressSource(self._client, clock=clock)
        self._tasks = Tasks(self._client, self._progress, deployment=deployment, clock=clock, give_up=give_up)
        self._clock = clock
        self._new_seed = new_seed
        self._models: tuple[str, ...] = ()
        self._samplers: tuple[str, ...] = ()
        self._titles: tuple[Model, ...] = ()
        self._tells_models = False
        """Whether a picture of it ever named a model of its list: then one that names none is another's."""
        self._lists_until = float("-inf")
        self._loaded: str | None = None
        self._pace = Pace(pace)
        self._makes_fewer = False
        """Whether the log says that it paints fewer pictures than are asked for, as KoboldCpp does."""
        self._offers_fewer = False
        """Whether it says that not all of its models and samplers are offered."""
        self._offer = Offer(address.name, usable=False, problem="not looked at yet")

    @property
    def name(self) -> str:
        """`host:port`."""
        return self._client.name

    @property
    def offer(self) -> Offer:
        """See Backend.offer."""
        return self._offer

    async def look(self) -> Offer:
        """See Backend.look."""
        busy = ""
        try:
            problem = await self._problem()
            if not problem:
                busy = await self._tasks.busy_problem()
        except BackendError as error:
            # Whatever comes back on this address may be another version, with other endpoints.
            self._lists_until = float("-inf")
            self._progress.forget()
            problem = error.message.removeprefix(f"{self.name}: ")
        self._offer = Offer(
            self.name,
            usable=not (problem or busy),
            models=self._models,
            samplers=self._samplers,
            loaded=self._loaded,
            pace=self._pace.seconds,
            resting=bool(busy) and not self._tasks.hangs,
            problem=problem or busy,
            demo=any(DEMO in model for model in self._models),
        )
        return self._offer

    async def paint(
        self, task: str, request: ImageRequest, on_progress: OnProgress, wishes: Wishes
    ) -> Completed:
        """See Backend.paint."""
        seed = request.seed if request.seed >= 0 else self._new_seed()
        switches = request.model is not None and request.model != self._loaded
        expected = None if self._pace.seconds is None else self._pace.seconds * request.cost
        began = self._clock()
        painting = Painting(task, request, began, expected)
        following = Following(self._progress, painting, on_progress, wishes)
        try:
            with self._tasks.under_way(task) as sent:
                body = await self._client.txt2img(_words(task, request, seed), longest_answer(request))
        finally:
            fault = await following.end()
            if fault is not None:  # of our own, and it costs no picture
                log.error("%s: its progress could not be told", self.name, exc_info=fault)
            if sent.answered.is_set():  # else its connection is gone, and the next look waits for that
                await self._tasks.settle()
        completed = self._with_model(
            request, read_answer(body, request, seed, self.name, self._clock() - began)
        )
        if not sent.is_unwanted:
            self._learn(request, completed, switches)
        return completed

    async def interrupt(self, task: str) -> None:
        """See Backend.interrupt."""
        await self._tasks.interrupt(task)

    async def _problem(self) -> str:
        """Why the server cannot be used, even if it is idle; empty if it can. Raises BackendError."""
        # Some versions cannot write down their own, and paint well.
        options = await self._client.ask("GET", "/sdapi/v1/options", may_fail=True)
        # Where these are gone from one look to the next, all of it may be, behind a proxy that forbids it. It
        # may come back all at once, too, as it comes while A1111 begins.
        if options is None or self._clock() >= self._lists_until:
            titles = await self._client.ask("GET", "/sdapi/v1/sd-models")
            samplers = await self._client.ask("GET", "/sdapi/v1/samplers")
            if options is titles is samplers is None and (problem := await api_problem(self._client)):
                self._lists_until = float("-inf")
                return problem  # what it has stays known, as of one that is down
            is_lost = (titles is None and self._titles) or (samplers is None and self._samplers)
            self._read_lists(titles, samplers)
            believed = float("-inf") if options is None or is_lost else LISTS_SECONDS
            self._lists_until = self._clock() + believed
        self._loaded = loaded_model(options, self._titles) or self._loaded
        return ""

    def _read_lists(self, titles: Any, samplers: Any) -> None:
        """What is offered; its owner is told once if that is not all that it has."""
        self._titles, self._samplers = models_of(titles), sampler_names(samplers)
        self._models = tuple(model.name for model in self._titles)
        count = sum(len(words) for words in (titles, samplers) if isinstance(words, list))
        offered = len(self._models) + len(self._samplers)
        if offered < count and not self._offers_fewer:
            self._offers_fewer = True
            log.warning("%s: offers %d of its %d models and samplers: %s", self.name, offered, count, OFFERED)

    def _with_model(self, request: ImageRequest, completed: Completed) -> Completed:
        """The same under the name that the model has in the offer.

        Raises BackendError if it is another one than was asked for: A1111 paints with the one that it has
        where it does not know the name, as when its list has changed since we read it.
        """
        found = models_painting(completed.model, self._titles)
        self._tells_models = self._tells_models or bool(found)
        named = None
        if request.model in found:
            named = request.model
        elif len(found) == 1:
            named = found.pop()
        self._loaded = named or self._loaded
        painter = named or completed.model
        if request.model in self._models and painter != request.model and painter and self._tells_models:
            self._lists_until = float("-inf")
            raise BackendError(f"{self.name}: painted with {painter!r}, and not with {request.model!r}")
        return completed if named is None else structs.replace(completed, model=named)

    def _learn(self, request: ImageRequest, completed: Completed, switches: bool) -> None:
        """The pace, but for pictures that had to wait for another model; and what of it is news."""
        made, asked = len(completed.images), request.batch_size
        if made < asked and not self._makes_fewer:
            self._makes_fewer = True
            log.warning("%s: painted %d of %d pictures", self.name, made, asked)
        if not switches and completed.seconds > 0:
            self._pace.learn(request, completed.seconds / made)
        pace, told = self._pace.seconds, self._offer.pace
        news = pace is None or told is None or abs(pace - told) > max(SAME_PACE * told, SAME_SECONDS)
        if news or self._loaded != self._offer.loaded:
            self._offer = replace(self._offer, loaded=self._loaded, pace=pace)


def _words(task: str, request: ImageRequest, seed: int) -> dict[str, Any]:
    """The txt2img request. A model that is loaded for it stays loaded."""
    words: dict[str, Any] = {
        **request.extra,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "steps": request.steps,
        "width": request.width,
        "height": request.height,
        "cfg_scale": request.cfg_scale,
        "seed": seed,
        "batch_size": request.batch_size,
        "n_iter": 1,
        "send_images": True,
        "save_images": False,
        "force_task_id": task,
    }
    if request.sampler_name is not None:
        words["sampler_name"] = request.sampler_name
    if request.model is not None:
        words["override_settings"] = {"sd_model_checkpoint": request.model}
        words["override_settings_restore_afterwards"] = False
    return words
