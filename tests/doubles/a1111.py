"""A small A1111 server for tests: real sockets, real PNGs, and every fault on demand.

    async with A1111Double() as double:
        backend = A1111Backend(BackendAddress(double.url), session, deployment="test")

Its behaviour is chosen by the input: a prompt that contains one of these words gets that answer.

    /fail-500       500 RuntimeError             /not-json      200 and a page of HTML
    /fail-once      500 the first time that this prompt comes, a picture afterwards
    /oom            500 OutOfMemoryError         /empty-images  200 and no picture
    /nan            500 NansException            /no-info       `info` is ""
    /traceback      500 with a long traceback    /large-body    500 with a whole answer in it
    /forge          500 in Forge's words
    /detail-500     a relative's own words: FastAPI's shape
    /busy-503 /text-500            KoboldCpp's, SD.Next's
    /endless-500                   5 MB of words
    /plain-500                     Forge's, since it lost A1111's: Starlette's words
    /error-400      refused in stable-diffusion.cpp's words
    /errors-400 /message-400       a fault of A1111's own with that status, and of Forge's
    /422            refused by validation        /jpeg /webp    a picture of that format
    /404-sampler    refused: sampler not found   /data-uri      `data:image/png;base64,` before it
    /status-502     a proxy's page, any number   /fewer         of a batch, one picture: KoboldCpp
    /truncate       the picture ends half-way    /kb-450        a picture of about that many KB
    /bad-base64     the picture is no base64     /slow          50 ms a step
    /odd-letter     its beginning is no base64
    /400-sampler    /404-sampler, as other versions of A1111 say it
    /422-long-field /422, of a parameter with a name of 3 MB
    /escapes /escapes-400 /escapes-422 /escapes-503    words that would steer a terminal
    /hang-up        closes the socket in the middle of its answer
    /drop           closes the socket in the middle of the painting, with no answer at all
    /impatient      a proxy's 504 after the first step, while it paints on
    /endless        answers as much as anybody reads
    /never          paints for ever: until it is interrupted, or released

Paintings can be held at a step and released, so that a test waits for what it wants to see, and never sleeps:

    double.hold(at=3)                                      # every painting stops behind its third step
    await double.until(lambda: double.is_painting(task))   # wait for anything that the double records
    double.step()                                          # one step more
    double.release()                                       # on to the end

It records `calls`, `txt2img_requests`, `paintings` (in the order in which they were asked for), `interrupts`
(the task that each one hit, None if it hit nothing), `overlaps` (txt2img that came while another was not
answered yet), `switches` (models loaded), `previews` (pictures handed out with progress), `cut_short`
(endless answers that somebody hung up on).

    double.fault("/", 503)                # paths that begin so answer: a status, "html", "page-404" (or any),
                                          # "error" (a 500 in A1111's own words), "plain" (Starlette's),
                                          # "gzip" (whatever was asked for), "endless" (as much as is read),
                                          # "hang", "late" (with what was true before) or "drop"
    double.heal()                         # takes all faults away; what hung goes on, what is late comes
    await double.go_away()                # a crash: nobody listens, every connection and painting is gone
    await double.come_back()              # on the same port
    await double.go_away(crash=False)     # only the network goes; it paints on
    outside = await double.paint_outside(held=True)        # its owner uses it by hand
    outside.release()

Relatives: `missing` names the paths that answer 404 (NO_PROGRESS, NO_API, or any), `tells_task` says whether
`/sdapi/v1/progress` has `current_task`, `names_tasks` whether `force_task_id` is heeded (SD.Next), `rations`
is how many pictures it hands out: what it paints after that it answers with 429 (SD.Next), and with
`Retry-After` where `retry_after` is set, `odd_previews` is what it tells instead of each preview. A1111
itself and Forge heed the name and do not tell the task.
"""

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.doubles.a1111_answers import LIMITED, failure, refusal, success
from tests.doubles.pictures import JPEG, prompt_of, seed_of
from tests.ports import free_port, stop_accepting

__all__ = [
    "NO_API",
    "NO_PROGRESS",
    "A1111Double",
    "Painting",
    "prompt_of",
    "seed_of",
]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NO_PROGRESS = ("/internal/progress", "/sdapi/v1/progress", "/sdapi/v1/interrupt")
"""What stable-diffusion.cpp's server and KoboldCpp lack."""
NO_API = ("/sdapi",)
"""A web UI that was started without --api."""
FINISHED_KEPT = 16
"""Finished tasks that `/internal/progress` remembers, as A1111."""
ENDLESS = 64
"""Megabytes after which an endless answer ends all the same, as JSON: only a failing test reads so much."""
EVENT_WAIT = 10.0
"""Seconds that `until` waits at the most: ample, it is reached only by a test that fails."""


@dataclass
class Call:
    """One HTTP request that has come whole."""

    method: str
    path: str


@dataclass(eq=False)
class Painting:
    """One picture: `steps` done of `of`, held behind `hold_at` steps unless that is None."""

    task: str
    body: dict[str, Any]
    seed: int
    hold_at: int | None
    changed: Callable[[], None] = field(repr=False)
    state: str = "queued"
    """`queued`, `active`, `finished`, or `lost` in a crash."""
    steps: int = 0
    interrupted: bool = False
    work: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def prompt(self) -> str:
        """What it shows."""
        return str(self.body.get("prompt", ""))

    @property
    def of(self) -> int:
        """Steps in all."""
        return int(self.body.get("steps", 50))

    @property
    def is_held(self) -> bool:
        """Whether it may not do another step now."""
        return self.hold_at is not None and self.steps >= self.hold_at

    def release(self) -> None:
        """Let it go on to its end."""
        self.hold_at = None
        self.changed()

    async def done(self) -> None:
        """Wait until it is finished or lost."""
        assert self.work is not None
        await asyncio.wait({self.work})


class A1111Double:
    """The server; its public attributes may be changed while it runs. See the module's docstring."""

    def __init__(
        self,
        *,
        models: Iterable[str] = ("alpha", "beta"),
        samplers: Iterable[str] = ("Euler", "Euler a", "DPM++ 2M"),
        step_seconds: float = 0.0,
        credentials: tuple[str, str] | None = None,
        missing: Iterable[str] = (),
        tells_task: bool = True,
        names_tasks: bool = True,
        live_previews: bool = True,
        port: int = 0,
    ) -> None:
        self.models = tuple(models)
        self.samplers = tuple(samplers)
        self.loaded = self.models[0] if self.models else ""
        self.step_seconds = step_seconds
        self.credentials = credentials
        self.missing = tuple(missing)
        self.tells_task = tells_task
        self.names_tasks = names_tasks
        self.live_previews = live_previews
        self.odd_previews = ""
        self.deaf = False
        """Interrupts are heard and recorded, and not obeyed."""
        self.stuck = False
        """It goes on saying that it paints: SD.Next, once a picture has failed."""
        self.rations: int | None = None
        self.retry_after: str | None = None
        self.calls: list[Call] = []
        self.txt2img_requests: list[dict[str, Any]] = []
        self.paintings: list[Painting] = []
        self.interrupts: list[str | None] = []
        self.overlaps = 0
        self.switches = 0
        self.previews = 0
        self.cut_short = 0
        self._port = port
        self._faults: dict[str, int | str] = {}
        self._hold_at: int | None = None
        self._unanswered = 0
        self._failed_once: set[str] = set()
        self._task: str | None = None
        """Active by name: as on A1111 also after its picture failed, until the next one begins."""
        self._gpu = asyncio.Lock()  # first come, first served, as A1111's FIFOLock
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None

    # Its life

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go_away()

    @property
    def url(self) -> str:
        """Where it listens; the same after it went away and came back."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def name(self) -> str:
        """What a backend calls it: `host:port`."""
        return f"127.0.0.1:{self._port}"

    async def come_back(self) -> None:
        """Listen, on the port from before if there was one. No other test is given it while nobody does."""
        self._port = self._port or free_port()
        app = web.Application(middlewares=[self._meet], client_max_size=1 << 24)
        app.add_routes(
            [
                web.post("/sdapi/v1/txt2img", self._txt2img),
                web.get("/sdapi/v1/progress", self._progress),
                web.post("/internal/progress", self._internal_progress),
                web.post("/sdapi/v1/interrupt", self._interrupt),
                web.get("/sdapi/v1/options", self._options),
                web.get("/sdapi/v1/sd-models", self._sd_models),
                web.get("/sdapi/v1/samplers", self._samplers),
                web.get("/", self._page),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self._socket = socket.create_server(("127.0.0.1", self._port))
        await web.SockSite(self._runner, self._socket).start()

    async def go_away(self, *, crash: bool = True) -> None:
        """Stop listening and drop every connection; a crash also ends the paintings."""
        runner, self._runner = self._runner, None
        if runner is not None and self._socket is not None:
            await stop_accepting(self._socket.fileno())
            for site in list(runner.sites):
                await site.stop()
            for connection in list(runner.server.connections) if runner.server else ():
                if connection.transport is not None:
                    connection.transport.abort()
        works = [painting.work for painting in self.paintings if painting.work and not painting.work.done()]
        if crash and works:
            for work in works:
                work.cancel()
            await asyncio.wait(works)
        self._notify()  # what hangs by a fault ends as well
        if runner is not None:
            await runner.cleanup()

    # What tests turn

    async def until(self, condition: Callable[[], object], *, within: float = EVENT_WAIT) -> None:
        """Wait until the condition holds; it is looked at whenever something was recorded or painted."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            calls = [f"{call.method} {call.path}" for call in self.calls[-10:]]
            raise AssertionError(f"did not happen in {within} s; last calls: {calls}") from None

    def fault(self, path: str, kind: int | str) -> None:
        """Every path that begins so answers a status, or as the module's docstring says, until `heal`."""
        self._faults[path] = kind

    def heal(self) -> None:
        """Take all faults away; requests that hung are answered now."""
        self._faults.clear()
        self._notify()

    def hold(self, at: int = 0) -> None:
        """Stop every painting, present and future, behind this many steps."""
        self._hold_at = at
        for painting in self.paintings:
            painting.hold_at = at
        self._notify()

    def step(self, count: int = 1) -> None:
        """Let held paintings do so many steps more."""
        self.hold((self._hold_at or 0) + count)

    def release(self) -> None:
        """Hold nothing any more; also ends the `/never` ones that have begun."""
        self._hold_at = None
        for painting in self.paintings:
            painting.release()

    async def paint_outside(self, *, held: bool = False, steps: int = 4) -> Painting:
        """Begin a picture of this server's owner, by hand; returns once it is painted or queued."""
        painting = self._begin({"prompt": "somebody else's", "steps": steps}, "task(outside)")
        if held:
            painting.hold_at = 1
        await self.until(lambda: painting.state != "queued" or self.active)
        return painting

    # What tests see

    @property
    def active(self) -> Painting | None:
        """What is painted now."""
        return next((painting for painting in self.paintings if painting.state == "active"), None)

    def is_painting(self, task: str) -> bool:
        """Whether this task is painted now, and has not merely been asked for."""
        return self.active is not None and self.active.task == task

    def count(self, path: str) -> int:
        """How many requests for this path came."""
        return sum(call.path == path for call in self.calls)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # HTTP

    @web.middleware
    async def _meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle it; whoever hangs up in the midst of it, or is dropped by us, is no error of this server."""
        try:
            return await self._take(request, handler)
        except ConnectionError:
            return web.Response()  # it goes nowhere

    async def _take(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the call, then apply faults and credentials before it is handled."""
        await request.read()
        self.calls.append(Call(request.method, request.path))
        self._notify()
        for path, kind in list(self._faults.items()):
            if request.path.startswith(path) and (answer := await self._suffer(request, kind, handler)):
                return answer
        if request.path.startswith(self.missing):
            return web.json_response({"detail": "Not Found"}, status=404)
        if request.path.startswith("/sdapi") and not self._knows(request.headers.get("Authorization")):
            detail = {"detail": "Incorrect username or password"}
            return web.json_response(detail, status=401, headers={"WWW-Authenticate": "Basic"})
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.json_response({"detail": error.reason}, status=error.status)
        finally:
            self._notify()

    async def _suffer(
        self, request: web.Request, kind: int | str, handler: Handler
    ) -> web.StreamResponse | None:
        if isinstance(kind, int):
            return web.json_response({"detail": "as the test wants"}, status=kind)
        if kind == "error":
            return web.json_response({"error": "ResponseValidationError", "detail": ""}, status=500)
        if kind == "plain":
            return web.Response(status=500, text="Internal Server Error")
        if kind == "html":
            return web.Response(text="<html>Log in</html>", content_type="text/html")
        if kind.startswith("page-"):
            return web.Response(status=int(kind[5:]), text="<html>nginx</html>", content_type="text/html")
        if kind == "gzip":
            response = web.json_response([])
            response.enable_compression(web.ContentCoding.gzip)
            return response
        if kind == "endless":
            return await self._answer_on_and_on(request, b"[]")
        if kind == "drop":
            return _hang_up(request)
        answer = await handler(request) if kind == "late" else None
        while self._faults and self._runner is not None:
            await self._changed.wait()
        return answer

    def _knows(self, authorization: str | None) -> bool:
        if self.credentials is None:
            return True
        pair = ":".join(self.credentials).encode()
        return authorization == "Basic " + base64.b64encode(pair).decode()

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text="<html>Stable Diffusion</html>", content_type="text/html")

    async def _options(self, request: web.Request) -> web.Response:
        return web.json_response({"samples_format": "png", "sd_model_checkpoint": _title(self.loaded)})

    async def _sd_models(self, request: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "title": _title(name),
                    "model_name": _model_name(name),
                    "hash": "0123456789",
                    "filename": f"/models/{name}",
                }
                for name in self.models
            ]
        )

    async def _samplers(self, request: web.Request) -> web.Response:
        return web.json_response([{"name": name, "aliases": [], "options": {}} for name in self.samplers])

    async def _interrupt(self, request: web.Request) -> web.Response:
        active = self.active
        self.interrupts.append(active.task if active else None)
        if active and not self.deaf:
            active.interrupted = True
        return web.json_response({})

    async def _progress(self, request: web.Request) -> web.Response:
        """Of whatever is painted now."""
        active = self.active
        state = {"job": "", "job_count": 0, "job_no": 0, "sampling_step": 0, "sampling_steps": 0}
        answer: dict[str, Any] = {
            "progress": 0.0,
            "eta_relative": 0.0,
            "current_image": None,
            "textinfo": None,
        }
        if active:
            state |= {"job": "scripts_txt2img", "job_count": 1}
            state |= {"sampling_step": active.steps, "sampling_steps": active.of}
            answer["progress"] = min(1.0, 0.01 + active.steps / active.of)
            answer["eta_relative"] = (active.of - active.steps) * self.step_seconds
            if request.query.get("skip_current_image") != "true":
                answer["current_image"] = self._preview(active, -1)
        elif self.stuck:
            state |= {"job": "TXT2IMG", "job_count": 1}
        if self.tells_task:
            answer["current_task"] = active.task if active else None
        return web.json_response({**answer, "state": state})

    async def _internal_progress(self, request: web.Request) -> web.Response:
        """Of the task that is asked for."""
        body = await request.json()
        task = body["id_task"]
        finished = [painting.task for painting in self.paintings if painting.state == "finished"]
        active = self.active if self.is_painting(task) else None
        answer: dict[str, Any] = {
            "active": active is not None or task == self._task,
            "queued": any(each.task == task and each.state == "queued" for each in self.paintings),
            "completed": task in finished[-FINISHED_KEPT:],
            "progress": None,
            "eta": None,
            "live_preview": None,
            "id_live_preview": -1,
            "textinfo": "Waiting...",
        }
        if active:
            seen = body.get("id_live_preview", -1)
            preview = self._preview(active, seen) if body.get("live_preview", True) else None
            answer["progress"] = active.steps / active.of
            answer["eta"] = (active.of - active.steps) * self.step_seconds if active.steps else None
            answer["live_preview"] = preview and (self.odd_previews or f"data:image/jpeg;base64,{preview}")
            answer["id_live_preview"] = active.steps if preview else seen
        return web.json_response(answer)

    def _preview(self, painting: Painting, seen: int) -> str | None:
        if not self.live_previews or painting.steps in (0, seen):
            return None
        self.previews += 1
        return base64.b64encode(JPEG).decode()

    async def _txt2img(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.txt2img_requests.append(body)
        self.overlaps += self._unanswered > 0
        if refused := refusal(body, self.samplers):
            status, told = refused
            if isinstance(told, bytes):
                return web.Response(status=status, body=told, content_type="text/html")
            return web.json_response(told, status=status)
        self._unanswered += 1
        try:
            name = body.get("force_task_id") if self.names_tasks else None
            painting = self._begin(body, name or f"task({len(self.paintings)})")
            if "/impatient" in painting.prompt:
                await self.until(lambda: painting.steps)
                return web.Response(status=504, text="<html>nginx</html>", content_type="text/html")
            await painting.done()
        finally:
            self._unanswered -= 1
        return await self._answer(request, painting)

    async def _answer(self, request: web.Request, painting: Painting) -> web.StreamResponse:
        prompt = painting.prompt
        if painting.state == "lost":
            return _hang_up(request)
        if "/fail-once" in prompt and prompt not in self._failed_once:
            self._failed_once.add(prompt)
            return web.json_response({"error": "RuntimeError", "errors": "failed this once"}, status=500)
        if error := failure(prompt):
            return web.json_response(error, status=500)
        if self.rations == 0:
            asks = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return web.json_response(LIMITED, status=429, headers=asks)
        if self.rations is not None:
            self.rations -= 1
        if "/not-json" in prompt:
            return web.Response(text="<html>Just a moment...</html>", content_type="text/html")
        sampler = painting.body.get("sampler_name") or next(iter(self.samplers), "Euler")
        model = self.loaded.rpartition("/")[2]  # in a picture's info without its folder
        body = success(painting.body, painting.seed, model, sampler)
        if "/endless" in prompt:
            return await self._answer_on_and_on(request, body)
        if "/hang-up" not in prompt:
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        _hang_up(request)
        return response

    async def _answer_on_and_on(self, request: web.Request, end: bytes) -> web.StreamResponse:
        """White space without an end, until whoever asked hangs up: then it is a ConnectionError here."""
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(ENDLESS):
                await response.write(b" " * 1_000_000)
        except ConnectionError:
            self.cut_short += 1
            self._notify()
            raise
        await response.write(end)
        return response

    # Painting

    def _begin(self, body: dict[str, Any], task: str) -> Painting:
        seed = body.get("seed", -1)
        seed = 1000 + len(self.paintings) if seed == -1 else seed
        painting = Painting(task, body, seed, self._hold_at, self._notify)
        if "/never" in painting.prompt:
            painting.hold_at = max(1, painting.of // 2)
        painting.work = asyncio.create_task(self._paint(painting))
        self.paintings.append(painting)
        self._notify()
        return painting

    async def _paint(self, painting: Painting) -> None:
        try:
            async with self._gpu:
                painting.state, self._task = "active", painting.task
                self._notify()
                before = self.loaded
                settings = painting.body.get("override_settings") or {}
                self._load(settings.get("sd_model_checkpoint") or before)
                painting.state = "finished" if await self._paint_steps(painting) else "lost"
                if not failure(painting.prompt):
                    self._task = None
                if painting.body.get("override_settings_restore_afterwards", True):
                    self._load(before)
        except asyncio.CancelledError:
            painting.state, self._task = "lost", None  # a crash
        finally:
            self._notify()

    async def _paint_steps(self, painting: Painting) -> bool:
        """Paint until the last step or an interrupt; False if the server loses it on the way."""
        while painting.steps < painting.of and not painting.interrupted:
            if painting.is_held:
                await self._changed.wait()
                continue
            if "/drop" in painting.prompt and painting.steps >= painting.of // 2:
                return False
            await asyncio.sleep(0.05 if "/slow" in painting.prompt else self.step_seconds)
            painting.steps += 1
            self._notify()
        return True

    def _load(self, model: str) -> None:
        """Load a model named by its name or its title, unless it is loaded; an unknown one is ignored."""
        names = (name for name in self.models if model in (name, _model_name(name), _title(name)))
        wanted = next(names, self.loaded)
        if wanted != self.loaded:
            self.switches += 1
            self.loaded = wanted


def _model_name(model: str) -> str:
    return model.replace("/", "_")


def _title(model: str) -> str:
    return f"{model}.safetensors [0123456789]" if model else ""


def _hang_up(request: web.Request) -> web.Response:
    """Close the socket at once, as a server that dies does; the response goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
