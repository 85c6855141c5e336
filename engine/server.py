"""A1111's API over the studio, as aiohttp routes. `init_app` builds without running; `serve` runs."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from engine import wire
from engine.picture_file import FORMATS
from engine.studio import Job, Studio
from engine.task import MODEL

log = logging.getLogger(__name__)
STUDIO: web.AppKey[Studio] = web.AppKey("studio", Studio)
GRACE: web.AppKey[float] = web.AppKey("grace", float)
ANSWERS = web.AppKey("answers", set[asyncio.Task[Any]])
"""To the orders that are painted, or whose pictures are still sent."""
_MAX_SEED = 2**32 - 1
_CLOSE_SECONDS = 0.3
_PIECE = 256 * 1024
_LONGEST_BODY = 32 * 1024 * 1024
"""Bytes. MAX_PROMPT may be a million: both prompts of an order, all emojis, are 24 million bytes of JSON."""


def init_app(step_seconds: float, grace: float = 0.0) -> web.Application:
    """The application; each of its steps takes `step_seconds` (0: as fast as can be)."""
    app = web.Application(middlewares=[_errors], client_max_size=_LONGEST_BODY)
    app[GRACE], app[ANSWERS] = grace, set()
    app.cleanup_ctx.append(_studio(step_seconds))
    app.on_response_prepare.append(_hang_up)
    app.on_shutdown.append(_close)
    app.add_routes(
        [
            web.get("/", _hello),
            web.post("/sdapi/v1/txt2img", _txt2img),
            web.post("/internal/progress", _internal_progress),
            web.get("/sdapi/v1/progress", _progress),
            web.post("/sdapi/v1/interrupt", _interrupt),
            web.post("/sdapi/v1/skip", _skip),
            web.get("/sdapi/v1/options", _options),
            web.post("/sdapi/v1/options", _set_options),
            web.get("/sdapi/v1/sd-models", _list(wire.models())),
            web.get("/sdapi/v1/samplers", _list(wire.samplers())),
            web.get("/sdapi/v1/schedulers", _list(wire.schedulers())),
            web.get("/sdapi/v1/upscalers", _list([])),
            web.get("/sdapi/v1/loras", _list([])),
            web.get(
                "/sdapi/v1/memory", _list({"ram": {}, "cuda": {"error": "the demo painter uses no GPU"}})
            ),
        ]
    )
    return app


@asynccontextmanager
async def serve(host: str, port: int, step_seconds: float, grace: float = 0.0) -> AsyncIterator[int]:
    """Listen, and give the port (0: any free one).

    Leaving takes no more orders, gives pictures `grace` seconds to be finished and read, and closes all.
    """
    runner = web.AppRunner(init_app(step_seconds, grace), access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _studio(step_seconds: float) -> Any:
    async def context(app: web.Application) -> AsyncIterator[None]:
        app[STUDIO] = Studio(step_seconds)
        yield
        await app[STUDIO].close()

    return context


async def _hang_up(_request: web.Request, response: web.StreamResponse) -> None:
    # What came in on an open connection while this closes would not be heard: nobody would paint it, and
    # its client could not tell that from a fault.
    response.force_close()
    response.headers["Connection"] = "close"  # for this hook comes after those of aiohttp were set


async def _close(app: web.Application) -> None:
    # Before the server waits for its handlers: they wait for the studio. Nobody is let in any more.
    clock, answers = asyncio.get_running_loop().time, app[ANSWERS]
    end = clock() + app[GRACE]
    await app[STUDIO].close(app[GRACE])
    if answers:  # many megabytes are not read at once
        await asyncio.wait(answers, timeout=max(0.0, end - clock()))


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where errors become answers, in FastAPI's and A1111's words."""
    if _is_foreign(request):
        return web.json_response({"detail": "pages of other sites may not ask"}, status=403)
    try:
        return await handler(request)
    except wire.Invalid as invalid:
        return web.json_response({"detail": invalid.detail()}, status=422)
    except wire.UnknownSampler:
        return web.json_response({"detail": "Sampler not found"}, status=404)
    except web.HTTPException as error:
        return web.json_response({"detail": error.reason}, status=error.status)
    except ConnectionError:  # the client hung up before it was answered: nothing went wrong here
        return web.Response(status=499)
    except Exception as error:  # A1111 answers every fault in JSON, and lives on
        log.exception("%s %s failed", request.method, request.path)
        return _fault(500, type(error).__name__, str(error))


def _is_foreign(request: web.Request) -> bool:
    """Whether a browser asks for another site's page.

    It sends for any page what has no body, as an interrupt has none. And the owner of a name with a dot may
    have it lead here (DNS rebinding).
    """
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        return True
    name = request.host.partition(":")[0]  # of an address in brackets nothing with a dot is left
    is_name = "." in name and not name.replace(".", "").isdigit() and not name.endswith(".localhost")
    return is_name and "Mozilla/" in request.headers.get("User-Agent", "")


def _fault(status: int, error: str, errors: str) -> web.Response:
    return web.json_response({"error": error, "detail": "", "body": "", "errors": errors}, status=status)


async def _body(request: web.Request) -> Any:
    # Like FastAPI: only JSON that says so. A foreign page in a browser cannot send that unasked.
    if request.content_type != "application/json":
        raise wire.Invalid(wire.Fault("body", "Input should be a valid dictionary", "model_attributes_type"))
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise wire.Invalid(wire.Fault("body", f"JSON decode error: {error}", "json_invalid")) from None


async def _object(request: web.Request) -> dict[str, Any]:
    body = await _body(request)
    if not isinstance(body, dict):
        raise wire.Invalid(wire.Fault("body", "Input should be a valid dictionary", "dict_type"))
    return body


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text=f"This is the {MODEL}; it speaks AUTOMATIC1111's API under /sdapi/v1.\n")


def _list(answer: Any) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(answer)

    return handler


async def _txt2img(request: web.Request) -> web.StreamResponse:
    order = wire.read_order(await _body(request), random.randint(0, _MAX_SEED))
    answer = cast("asyncio.Task[Any]", asyncio.current_task())
    request.app[ANSWERS].add(answer)
    answer.add_done_callback(request.app[ANSWERS].discard)
    painting = asyncio.ensure_future(request.app[STUDIO].paint(order))
    await asyncio.wait([painting])
    if painting.cancelled():
        return _fault(503, "ShuttingDown", "the server is stopping")
    result = painting.result()
    info = wire.info(order, result.tasks, result.infotexts, result.timestamp)
    images = result.images if order.send_images else []
    parts = wire.body_parts(images, wire.parameters(order), info)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = sum(map(len, parts))
    await response.prepare(request)
    for part in parts[:-1]:
        # In pieces: the transport copies what the socket does not take at once.
        view = memoryview(part)
        for at in range(0, len(view), _PIECE):
            await response.write(view[at : at + _PIECE])
    if request.transport is not None:  # sent is what the system has: this program may end with the rest
        request.transport.set_write_buffer_limits(0)
    await response.write_eof(parts[-1])  # which waits, where without anything to write it does not
    return response


async def _internal_progress(request: web.Request) -> web.Response:
    """Of the task that is asked for, whatever else is going on."""
    body = await _object(request)
    studio, task_id = request.app[STUDIO], str(body.get("id_task") or "")
    answer: dict[str, Any] = {
        "active": studio.active(task_id),
        "queued": studio.queued(task_id),
        "completed": studio.completed(task_id),
        "progress": None,
        "eta": None,
        "live_preview": None,
        "id_live_preview": -1,
        "textinfo": "In queue..." if studio.queued(task_id) else "Waiting...",
    }
    job = studio.job
    if job is None or not answer["active"]:
        return web.json_response(answer)
    seen = body.get("id_live_preview", -1)
    answer |= {"progress": job.progress, "eta": studio.eta(job), "id_live_preview": seen, "textinfo": None}
    if body.get("live_preview", True) is not False:
        preview = await studio.preview(job)
        if preview and preview.number != seen:
            answer["live_preview"] = f"data:{preview.media_type};base64,{preview.data.decode('ascii')}"
            answer["id_live_preview"] = preview.number
    return web.json_response(answer)


async def _progress(request: web.Request) -> web.Response:
    """Of whatever is painted now."""
    studio = request.app[STUDIO]
    job = studio.job
    answer = {
        "progress": 0.0,
        "eta_relative": 0.0,
        "state": _state(job),
        "current_image": None,
        "textinfo": None,
        "current_task": None,
    }
    if job is None:
        return web.json_response(answer)
    answer |= {
        "progress": min(1.0, 0.01 + job.progress),
        "eta_relative": studio.eta(job) or 0.0,
        "current_task": job.id,
    }
    if request.query.get("skip_current_image", "").lower() not in ("true", "1", "yes", "on"):
        preview = await studio.preview(job)
        answer["current_image"] = preview.data.decode("ascii") if preview else None
    return web.json_response(answer)


def _state(job: Job | None) -> dict[str, Any]:
    return {
        "skipped": job.skipped if job else False,
        "interrupted": job.interrupted if job else False,
        "stopping_generation": False,
        "job": f"Batch {job.iteration + 1} out of {job.order.n_iter}" if job else "",
        "job_count": job.order.n_iter if job else 0,
        "job_timestamp": job.timestamp if job else "0",
        "job_no": job.iteration if job else 0,
        "sampling_step": job.step if job else 0,
        "sampling_steps": job.order.task.steps if job else 0,
    }


async def _interrupt(request: web.Request) -> web.Response:
    request.app[STUDIO].interrupt()
    return web.json_response({})


async def _skip(request: web.Request) -> web.Response:
    request.app[STUDIO].skip()
    return web.json_response(None)


async def _options(request: web.Request) -> web.Response:
    return web.json_response(request.app[STUDIO].options)


async def _set_options(request: web.Request) -> web.Response:
    """Set the options that we have, all or none. A1111 answers an unknown model with 500."""
    body = await _object(request)
    studio = request.app[STUDIO]
    known = {name: value for name, value in body.items() if name in studio.options}
    if known.get("sd_model_checkpoint") is None:
        known["sd_model_checkpoint"] = MODEL
    if (model := known["sd_model_checkpoint"]) != MODEL:
        return _fault(500, "RuntimeError", f"model {model!r} not found")
    if known.get("samples_format", "png") not in tuple(FORMATS):  # an unhashable one is none of them, too
        raise wire.Invalid(
            wire.Fault("samples_format", f"Input should be one of {', '.join(FORMATS)}", "enum")
        )
    if not isinstance(known.get("live_previews_enable", True), bool):
        raise wire.Invalid(wire.Fault("live_previews_enable", "Input should be a valid boolean", "bool_type"))
    studio.options.update(known)
    return web.json_response(None)
