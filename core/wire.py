"""The words that HTTP and the websocket share: events and errors as JSON objects.

A picture is written in parts, so that its base64 bytes are neither copied nor made a str: everything
around them is JSON that msgspec makes, the bytes themselves were checked by the backend that got them.
"""

import json
import math
from codecs import BOM_UTF8
from http import HTTPStatus
from typing import Any

import msgspec

from core.errors import InvalidRequest, SdError, Unauthorized
from core.events import Cancelled, Completed, Event, Failed, Progress, Queued, Started
from core.offers import Catalog
from core.request import FIELDS, LARGEST_CFG_SCALE, LARGEST_SEED, SIZE_STEP, SMALLEST_SIDE, Limits
from core.status import Status

Words = dict[str, Any]
Parts = tuple[bytes | memoryview, ...]

LONGEST_KEY = 255
"""Characters of an idempotency key."""
MOST_FIELDS = 50
"""Of an object in which the one at fault is looked for: no message of ours has as many."""
LONGEST_SEARCHED = 16_384
"""Characters of such an object: it is read several times, and others wait meanwhile."""

encode = msgspec.json.Encoder().encode
"""JSON on one line, as UTF-8."""


def idempotency_key(word: str) -> str:
    """A client's own key as the gateway takes it: over HTTP and the websocket it is the same job."""
    return f"idempotency-key {word}"


def decode(text: str | bytes, unreadable: str) -> Any:
    """The value that a client's JSON says. Raises InvalidRequest: `unreadable`, and why.

    Names the field where a value is at fault: half a surrogate pair, a number beyond all bounds. A byte order
    mark before it is none of it.
    """
    text = text.removeprefix("\ufeff") if isinstance(text, str) else text.removeprefix(BOM_UTF8)
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise InvalidRequest(f"{unreadable}: it is nested too deeply") from None
    except ValueError as error:
        if (field := _field_at_fault(text)) is not None:
            problem = "holds half a surrogate pair, or a number beyond all bounds"
            raise InvalidRequest(f"{field}: {problem}", field=field) from None
        raise InvalidRequest(f"{unreadable}: {str(error).removeprefix('JSON is malformed: ')}") from None


def read_loosely(text: str | bytes) -> Words:
    """The fields of an object that is JSON to a parser which takes more than ours; of anything else none."""
    if len(text) > LONGEST_SEARCHED:
        return {}
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


STATES: dict[type, str] = {
    Queued: "waiting",
    Started: "running",
    Progress: "running",
    Completed: "completed",
    Failed: "failed",
    Cancelled: "cancelled",
}
"""The state of a job whose last event is of this type."""
STATUSES: dict[str, int] = {
    "invalid_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown_model": 404,
    "cancelled": 409,
    "expired": 410,
    "too_many_jobs": 429,
    "rate_limited": 429,
    "internal": 500,
    "backend_error": 502,
    "queue_full": 503,
    "queue_unavailable": 503,
    "no_backend": 503,
    "shutting_down": 503,
    "timeout": 504,
}
"""The status of an answer that tells of this code."""


def event_words(event: Event, id: str) -> Words:
    """An event in words; of Completed only what is true of all its pictures (see `picture_words`)."""
    match event:
        case Queued():
            words: Words = {"type": "queued", "id": id, "position": event.position, "eta": event.eta}
            return words if event.attempt == 1 else {**words, "attempt": event.attempt}
        case Started():
            words = {"type": "started", "id": id, "backend": event.backend}
            return words if event.attempt == 1 else {**words, "attempt": event.attempt}
        case Progress():
            return _progress_words(event, id)
        case Completed():
            return {"type": "completed", "id": id, **_completed_words(event)}
        case Failed():
            return {"type": "error", "id": id, **error_words(event)}
        case Cancelled():
            return {"type": "cancelled", "id": id}


def error_words(error: SdError | Failed) -> Words:
    """`code`, `message`, and where they help `retry_after`, `field`, `models`."""
    words: Words = {"code": error.code, "message": error.message}
    if error.retry_after is not None:
        words["retry_after"] = error.retry_after
    for detail in ("field", "models"):  # an UnknownModel that was made of a Failed has no models
        value = getattr(error, detail, None)
        if value is not None:
            words[detail] = value
    return words


def problem_words(error: SdError, status: int | None = None, id: str | None = None) -> Words:
    """An error as RFC 9457 has it, with our `code`; `status` where HTTP itself has a word for it.

    `id` is that of the job that it is about.
    """
    status = status or STATUSES[error.code]
    words = error_words(error)
    # What a stranger sent may be quoted here, and half a surrogate pair cannot be written.
    detail = words.pop("message").encode(errors="replace").decode()
    code = words.pop("code")
    problem = {"code": code, "status": status, "title": HTTPStatus(status).phrase, "detail": detail, **words}
    return problem if id is None else {**problem, "id": id}


def problem_headers(error: SdError) -> dict[str, str]:
    """What an error says beside its body: when to try again, in whole seconds; how to show the key."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 15.5.2; RFC 6750, 3
    return headers


def picture_words(completed: Completed, index: int, id: str) -> Words:
    """What is told beside one picture: its own seed and infotext, and what all pictures share."""
    image = completed.images[index]
    return {
        "id": id,
        "index": index,
        "count": len(completed.images),
        "seed": image.seed,
        "format": image.format,
        "infotext": image.infotext,
        **_completed_words(completed),
    }


def image_message(completed: Completed, index: int, id: str, label: str | None = None) -> Parts:
    """The websocket's and the event stream's `image` message, in parts that follow one another."""
    head: Words = {"type": "image", "id": id}
    if label is not None:
        head["label"] = label
    tail = picture_words(completed, index, id)
    del tail["id"]
    return (
        encode(head)[:-1] + b',"image-base64":"',
        completed.images[index].base64,
        b'",' + encode(tail)[1:],
    )


def images_answer(completed: Completed, id: str) -> Parts:
    """The answer of `GET /text`: `image-base64` first, the further pictures last, on one line."""
    words = picture_words(completed, 0, id)
    del words["index"]
    words["seeds"] = [image.seed for image in completed.images]
    parts: list[bytes | memoryview] = [b'{"image-base64":"', completed.images[0].base64]
    if len(completed.images) == 1:
        return (*parts, b'",' + encode(words)[1:])
    parts.append(b'",' + encode(words)[1:-1] + b',"further-images-base64":["')
    for number, image in enumerate(completed.images[1:]):
        parts += [b'","', image.base64] if number else [image.base64]
    return (*parts, b'"]}')


def catalog_words(catalog: Catalog, limits: Limits) -> Words:
    """What a client may choose from, and how far."""
    return {
        "models": catalog.models,
        "samplers": catalog.samplers,
        "demo": catalog.demo,
        "parameters": ("input", *FIELDS),
        "limits": {
            "prompt": limits.max_prompt,
            "pixels": limits.max_pixels,
            "steps": limits.max_steps,
            "batch_size": limits.max_batch,
            "cfg_scale": LARGEST_CFG_SCALE,
            "seed": LARGEST_SEED,
            "side_multiple": SIZE_STEP,
            "side_smallest": SMALLEST_SIDE,
        },
    }


def status_words(status: Status) -> Words:
    """Counts, and the backends with their state; other callers only as a number."""
    return {
        "waiting": status.waiting,
        "running": status.running,
        "callers": status.callers,
        "waiting_by_caller": status.waiting_by_caller,
        "own": {"waiting": status.own_waiting, "running": status.own_running},
        "workers": status.workers,
        "backends": [
            {
                "name": backend.offer.backend,
                "state": backend.state,
                "problem": backend.offer.problem or None,
                "models": backend.offer.models,
                "loaded": backend.offer.loaded,
                "seconds_per_unit": _rounded(backend.offer.pace),
                "demo": backend.offer.demo,
                "owner": backend.owner,
            }
            for backend in status.backends
        ],
    }


def _field_at_fault(text: str | bytes) -> str | None:
    fields = read_loosely(text)
    try:
        for name in fields if len(fields) <= MOST_FIELDS else ():
            if not _is_json(json.dumps({name: fields[name]})):
                return name if _is_json(json.dumps(name)) else None
    except RecursionError:
        return None
    return None


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except ValueError:
        return False
    return True


def _progress_words(progress: Progress, id: str) -> Words:
    words: Words = {
        "type": "progress",
        "id": id,
        "progress": round(progress.fraction, 4),
        "step": progress.step,
        "steps": progress.steps,
        "eta": _rounded(progress.eta),
    }
    if progress.estimated:
        words["estimated"] = True
    if progress.preview is not None:
        words["preview-base64"] = progress.preview.decode("ascii")
    return words


def _completed_words(completed: Completed) -> Words:
    return {
        "model": completed.model,
        "sampler_name": completed.sampler_name,
        "width": completed.width,
        "height": completed.height,
        "steps": completed.steps,
        "seconds": _rounded(completed.seconds),
        "backend": completed.backend,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
