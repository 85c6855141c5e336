"""What a server says, read."""

import json

import msgspec
import pytest

from cli.messages import (
    Cancelled,
    Failed,
    Picture,
    Progress,
    Queued,
    Started,
    escaped,
    plain,
    read_event,
    read_problem,
    read_status,
)
from core.events import Completed, Image
from core.events import Event as CoreEvent
from core.events import Failed as CoreFailed
from core.events import Progress as CoreProgress
from core.events import Queued as CoreQueued
from core.events import Started as CoreStarted
from core.offers import Offer
from core.status import BackendStatus, Status
from core.wire import encode, event_words, image_message, status_words

PNG = b"\x89PNG\r\n\x1a\n"
ID = "0123456789abcdef" * 2


def test_the_server_s_own_words_are_understood() -> None:
    """Each event as core.wire writes it."""
    told: tuple[CoreEvent, ...] = (
        CoreQueued(3, 12.5, 2),
        CoreStarted("gpu:7860", 2),
        CoreProgress(0.5, 10, 20, 4.0, b"AA==", estimated=True),
        CoreFailed("queue_full", "full", 5.0),
    )
    words = [event_words(event, ID) for event in told]
    assert [read_event(word["type"], encode(word)) for word in words] == [
        Queued(ID, 3, 12.5, 2),
        Started(ID, "gpu:7860", 2),
        Progress(ID, 0.5, 10, 20, 4.0, True),
        Failed(ID, "queue_full", "full", 5.0),
    ]


def test_a_picture_is_decoded_on_the_spot() -> None:
    completed = Completed(
        (Image(b"iVBORw0KGgo=", "png", 7, "text"),), "gpu:7860", 1.5, "alpha", "Euler", 512, 512, 20
    )
    event = read_event("image", b"".join(image_message(completed, 0, ID)))
    assert event == Picture(ID, PNG, 0, 1, 7, "png", "text", "alpha", "Euler", 512, 512, 20, 1.5, "gpu:7860")


@pytest.mark.parametrize(("sent", "read"), [("1e308", 1.0), ("1.01", 1.0), ("-1e308", 0.0), ("0.25", 0.25)])
def test_no_progress_is_beyond_its_bounds(sent: str, read: float) -> None:
    """A bar of that length ended in a traceback."""
    words = f'{{"type":"progress","id":"{ID}","progress":{sent},"step":0,"steps":0}}'
    assert read_event("progress", words.encode()) == Progress(ID, read, 0, 0)


def test_a_newer_server_may_say_more() -> None:
    """Unknown events are none, unknown fields are skipped."""
    assert read_event("weather", b"{}") is None
    assert read_event("cancelled", b'{"type":"cancelled","id":"%b","why":"rain"}' % ID.encode()) is not None


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"type":"image","id":"%b","image-base64":"?"}' % ID.encode(), b'{"type":"queued"}'],
)
def test_what_cannot_be_read_is_a_value_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_event("image", data)
    assert issubclass(msgspec.DecodeError, ValueError)


@pytest.mark.parametrize(
    "id", ["", "1", "../status?", ID[1:], ID + "0", ID.upper(), ID + "\\n", "\\u001b[2J" + ID]
)
def test_an_id_is_one_that_our_servers_give(id: str) -> None:
    """It is shown at a terminal, and its job is deleted by it."""
    assert read_event("cancelled", b'{"type":"cancelled","id":"%b"}' % ID.encode()) == Cancelled(ID)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.id"):
        read_event("cancelled", b'{"type":"cancelled","id":"%b"}' % id.encode())


def test_a_problem_is_a_failure_with_its_code() -> None:
    """Also behind the line break of /text; a body that is none of ours is none."""
    failure = read_problem(b'\n{"code":"queue_full","status":503,"title":"","detail":"full","retry_after":5}')
    assert failure is not None
    assert (failure.code, str(failure)) == ("queue_full", "queue_full: full (try again in 5 s)")
    assert read_problem(b"<html>") is None
    assert read_problem(b'{"error":"of somebody else"}') is None


def test_what_is_skipped_can_be_read_as_well() -> None:
    """It is text, and not nested without end."""
    deep = b"[" * 100_000
    with pytest.raises(ValueError, match="nested too deeply"):
        read_event("queued", b'{"type":"queued","x":' + deep)
    assert read_problem(b'{"x":' + deep) is None
    with pytest.raises(ValueError, match="nested too deeply"):
        read_status(b'{"x":' + deep)
    with pytest.raises(UnicodeDecodeError):
        read_status(b'{"waiting":0,"running":0,"callers":0,"backends":[],"x":"\xff"}')


def test_a_status_is_read_as_the_server_writes_it() -> None:
    offer = Offer("gpu:7860", usable=True, models=("alpha", "beta"), loaded="alpha", pace=2.0)
    painting = BackendStatus(offer, painting=True, owner="host-7")
    told = Status(2, 1, 3, 1, 0, waiting_by_caller=(1, 1), workers=1, backends=(painting,))
    body = encode(status_words(told))
    status = read_status(body)
    assert (status.waiting, status.running, status.callers, status.own.waiting) == (2, 1, 3, 1)
    (backend,) = status.backends
    assert (status.waiting_by_caller, status.workers, backend.owner) == ([1, 1], 1, "host-7")
    assert (backend.name, backend.state, backend.models, backend.loaded, backend.seconds_per_unit) == (
        ("gpu:7860", "painting", ["alpha", "beta"], "alpha", 2.0)
    )


def test_nothing_steers_a_terminal() -> None:
    """Escapes and line breaks in a server's words are blanks."""
    assert plain("a\x1b[31mb\nc\x07") == "a [31mb c "
    assert len(plain("a" * 1_000_000)) == 10_000
    failure = read_problem(b'{"code":"internal","detail":"\\u001b]0;title"}')
    assert failure is not None
    assert "\x1b" not in str(failure)


def test_json_on_a_terminal_steers_nothing_and_says_the_same() -> None:
    """What JSON lets through as it is, and what a terminal takes for the beginning of an order."""
    words = '{"a":\t"é\x9b2J\x9d\x7f\u202e\U000e0001 \\u001b",\r\n"b": 1.50}'
    shown = escaped(words)
    assert shown.isprintable()
    assert json.loads(shown) == json.loads(words)
    assert shown.startswith('{"a": "é\\u009b2J\\u009d\\u007f')
    assert shown.endswith('\\u001b",  "b": 1.50}')
