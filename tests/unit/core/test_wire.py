"""The words that HTTP and the websocket share; a picture's bytes go through as they came."""

import json
from typing import Any

import msgspec
import pytest

from core.errors import (
    ERRORS,
    BackendError,
    Internal,
    InvalidRequest,
    NoBackend,
    QueueFull,
    SdError,
    Unauthorized,
    UnknownModel,
)
from core.events import Cancelled, Event, Failed, Progress, Queued, Started
from core.offers import Catalog, Offer
from core.request import FIELDS, Limits
from core.status import BackendStatus, Status
from core.wire import (
    LONGEST_SEARCHED,
    STATES,
    STATUSES,
    Parts,
    catalog_words,
    decode,
    encode,
    error_words,
    event_words,
    image_message,
    images_answer,
    picture_words,
    problem_headers,
    problem_words,
    status_words,
)
from tests.unit.core.examples import painted, progress

PICTURE = b"iVBORw0KGgo="


def joined(parts: Parts) -> Any:
    """The message that these parts make; both JSON libraries must read the same."""
    assert all(isinstance(part, (bytes, memoryview)) for part in parts)
    whole = b"".join(parts)
    assert b"\n" not in whole
    words = json.loads(whole)
    assert msgspec.json.decode(whole) == words
    return words


EVENTS: list[tuple[Event, dict[str, object]]] = [
    (Queued(3, 12.35), {"type": "queued", "position": 3, "eta": 12.35}),
    (Queued(0, None, 2), {"type": "queued", "position": 0, "eta": None, "attempt": 2}),
    (Started("gpu:1"), {"type": "started", "backend": "gpu:1"}),
    (Started("gpu:1", 2), {"type": "started", "backend": "gpu:1", "attempt": 2}),
    (progress(0.35), {"type": "progress", "progress": 0.35, "step": 7, "steps": 20, "eta": None}),
    (
        Progress(1 / 3, 7, 20, 4.111, b"cHJldmlldw==", estimated=True),
        {
            "type": "progress",
            "progress": 0.3333,
            "step": 7,
            "steps": 20,
            "eta": 4.11,
            "estimated": True,
            "preview-base64": "cHJldmlldw==",
        },
    ),
    (
        Failed("timeout", "too long", 5.0),
        {"type": "error", "code": "timeout", "message": "too long", "retry_after": 5},
    ),
    (Failed("internal", "ours"), {"type": "error", "code": "internal", "message": "ours"}),
    (Cancelled(), {"type": "cancelled"}),
]


@pytest.mark.parametrize(("event", "words"), EVENTS)
def test_an_event_in_words(event: Event, words: dict[str, object]) -> None:
    assert event_words(event, "the-id") == {"id": "the-id", **words}
    assert joined((encode(event_words(event, "the-id")),)) == {"id": "the-id", **words}


def test_the_words_of_a_completed_job_hold_no_picture() -> None:
    words = event_words(painted(picture=PICTURE), "the-id")
    assert words["type"] == "completed"
    assert PICTURE not in encode(words)


def test_every_event_has_a_state() -> None:
    assert {type(event) for event, _ in EVENTS} | {type(painted())} == set(STATES)


def test_an_error_brings_what_helps() -> None:
    assert error_words(QueueFull("full")) == {"code": "queue_full", "message": "full", "retry_after": 5.0}
    assert error_words(InvalidRequest("steps: no", field="steps"))["field"] == "steps"
    assert "field" not in error_words(InvalidRequest("no"))
    assert error_words(UnknownModel("anime", ["photo"]))["models"] == ("photo",)


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_that_was_an_event_is_told_in_the_same_words(code: str) -> None:
    event = Failed(code, "a sentence")
    words = error_words(event.as_error())
    assert (words["code"], words["message"]) == (code, "a sentence")


def test_an_error_that_becomes_an_event_and_an_error_again_keeps_its_field() -> None:
    event = Failed.of(InvalidRequest("steps: no", field="steps"))
    assert error_words(event)["field"] == error_words(event.as_error())["field"] == "steps"


def test_the_answer_of_text_begins_with_the_picture() -> None:
    parts = images_answer(painted(picture=PICTURE), "the-id")
    assert b"".join(parts).startswith(b'{"image-base64":"iVBORw0KGgo=","id":"the-id",')
    words = joined(parts)
    assert next(iter(words)) == "image-base64"
    assert words["seed"] == 0
    assert words["infotext"] == "a monkey"
    assert "further-images-base64" not in words


@pytest.mark.parametrize("count", [2, 3])
def test_further_pictures_come_last(count: int) -> None:
    words = joined(images_answer(painted(picture=PICTURE, count=count), "the-id"))
    assert next(iter(words)) == "image-base64"
    assert list(words)[-1] == "further-images-base64"
    assert words["further-images-base64"] == [PICTURE.decode()] * (count - 1)
    assert words["seeds"] == list(range(count))
    assert words["count"] == count


def test_the_websocket_gets_a_message_for_each_picture() -> None:
    completed = painted(picture=PICTURE, count=2)
    words = joined(image_message(completed, 1, "the-id", label='mine "1"'))
    assert list(words)[:4] == ["type", "id", "label", "image-base64"]
    assert words["label"] == 'mine "1"'
    assert (words["index"], words["count"], words["seed"]) == (1, 2, 1)
    assert {
        **picture_words(completed, 1, "the-id"),
        "image-base64": PICTURE.decode(),
    }.items() <= words.items()
    assert "label" not in joined(image_message(completed, 0, "the-id"))


@pytest.mark.parametrize("picture", [PICTURE, memoryview(PICTURE)])
def test_the_bytes_of_a_picture_are_neither_copied_nor_made_a_text(picture: Any) -> None:
    completed = painted(picture=picture, count=2)
    for parts in (images_answer(completed, "id"), image_message(completed, 0, "id")):
        assert any(part is picture for part in parts)


def test_the_catalog_says_what_a_client_may_choose_from() -> None:
    catalog = Catalog((Offer("gpu:1", usable=True, models=("anime",), samplers=("Euler",), demo=True),))
    words = joined((encode(catalog_words(catalog, Limits(max_steps=50))),))
    assert (words["models"], words["samplers"], words["demo"]) == (["anime"], ["Euler"], True)
    assert words["parameters"] == ["input", *FIELDS]
    assert words["limits"]["steps"] == 50


def test_every_error_has_its_status() -> None:
    """One table, and no error without a place in it."""
    assert set(ERRORS) <= set(STATUSES)
    assert STATUSES == {
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


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_becomes_a_problem(code: str) -> None:
    """With its code for programs, its sentence for people."""
    error: SdError = Failed(code, "it went wrong", 2.5).as_error()
    words = problem_words(error)
    assert (words["code"], words["status"], words["detail"]) == (code, STATUSES[code], "it went wrong")
    assert words["title"]
    assert words["retry_after"] == 2.5
    assert problem_headers(error)["Retry-After"] == "3"


def test_a_problem_names_what_helps() -> None:
    """The field at fault, the models that exist, when to try again; and nothing where nothing helps."""
    assert problem_words(InvalidRequest("steps: no", field="steps"))["field"] == "steps"
    assert problem_words(UnknownModel("x", ["alpha", "beta"]))["models"] == ("alpha", "beta")
    assert problem_words(NoBackend("none"))["retry_after"] == 5.0
    assert problem_headers(BackendError("it broke")) == {"Retry-After": "5"}
    assert problem_words(Internal("a fault")).keys() == {"code", "status", "title", "detail"}
    assert problem_headers(Internal("a fault")) == {}


def test_who_has_no_key_is_told_how_to_show_one() -> None:
    assert problem_headers(Unauthorized("a key is needed")) == {"WWW-Authenticate": "Bearer"}


def test_a_problem_may_bear_http_s_own_status() -> None:
    """Where HTTP has a finer word than our codes."""
    words = problem_words(InvalidRequest("too large"), 413)
    assert (words["status"], words["code"]) == (413, "invalid_request")


def test_the_status_tells_of_other_callers_only_a_number() -> None:
    backends = (
        BackendStatus(Offer("gpu:1", usable=True, pace=1.234), painting=True),
        BackendStatus(Offer("gpu:2", usable=True), painting=False),
        BackendStatus(Offer("gpu:3", usable=False, problem="asleep"), painting=False),
    )
    words = joined((encode(status_words(Status(5, 1, 2, 3, 0, (3, 2), 1, backends))),))
    assert (words["waiting"], words["running"], words["callers"]) == (5, 1, 2)
    assert words["own"] == {"waiting": 3, "running": 0}
    assert (words["waiting_by_caller"], words["workers"]) == ([3, 2], 1)
    assert [backend["state"] for backend in words["backends"]] == ["painting", "idle", "down"]
    assert words["backends"][0]["seconds_per_unit"] == 1.23
    assert words["backends"][2]["problem"] == "asleep"


@pytest.mark.parametrize("text", ['\ufeff{"input": "a"}', '\ufeff{"input": "a"}'.encode()])
def test_a_byte_order_mark_before_json_is_none_of_it(text: str | bytes) -> None:
    assert decode(text, "no JSON") == {"input": "a"}


@pytest.mark.parametrize(("length", "field"), [(10, "z"), (LONGEST_SEARCHED, None)])
def test_a_fault_is_looked_for_where_that_takes_no_time(length: int, field: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(json.dumps({"a": "a" * length, "z": 0})[:-2] + "1e999}", "no JSON")
    assert caught.value.field == field
