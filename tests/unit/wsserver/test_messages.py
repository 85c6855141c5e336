"""The words of the websocket: every message has a meaning or a clear error, every event its words."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import (
    ERRORS,
    FIELDS,
    Cancelled,
    Completed,
    Event,
    Failed,
    Image,
    ImageRequest,
    InvalidRequest,
    Limits,
    Progress,
    Queued,
    SdError,
    Started,
    UnknownModel,
)
from wsserver.messages import (
    Attach,
    Auth,
    Cancel,
    Command,
    Generate,
    error_message,
    event_message,
    event_messages,
    names_in,
    names_of,
    parse,
    read,
)

LIMITS = Limits()

MANY = ", ".join(f'"{number}": 1' for number in range(17_000))
"""Fields of an object in which the one at fault is not looked for: that would take 30 ms."""


def command(message: str | bytes) -> Command:
    return parse(read(message), LIMITS)


def refusal(message: str | bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        command(message)
    return caught.value


def words(event: Event, label: str | None = None) -> list[dict[str, Any]]:
    return [json.loads(b"".join(parts)) for parts, _ in event_messages(event, "i", label)]


# --- what a client says


@pytest.mark.parametrize(
    "prompt", ["a monkey with a hat", '"quoted"', "  two lines\nof it ", "(a:1.2) {b|c}", "null", "😀"]
)
def test_a_text_that_does_not_begin_like_json_is_a_prompt_as_it_stands(prompt: str) -> None:
    assert command(prompt) == Generate(ImageRequest(prompt=prompt))


def test_a_binary_message_is_read_as_utf_8() -> None:
    assert command("ein Äffchen".encode()) == Generate(ImageRequest(prompt="ein Äffchen"))
    assert "no UTF-8 text at byte 1" in refusal(b"a\xff").message


@pytest.mark.parametrize("space", ["", " ", "\n\t ", "\ufeff"])
def test_json_is_known_by_its_first_letter(space: str) -> None:
    assert command(space + '{"input": "a"}') == Generate(ImageRequest(prompt="a"))


def test_every_parameter_is_read() -> None:
    given = {
        "negative_prompt": "rain",
        "steps": 30,
        "width": 768,
        "height": 640,
        "cfg_scale": 5.5,
        "sampler_name": "Euler",
        "seed": 7,
        "batch_size": 2,
        "model": "alpha",
    }
    assert set(given) == set(FIELDS)
    message = {"type": "generate", "input": "a", "label": "mine", "preview": True, "keep": True, **given}
    assert command(json.dumps(message)) == Generate(
        ImageRequest(prompt="a", **given),  # type: ignore[arg-type]
        label="mine",
        preview=True,
        keep=True,
    )


def test_an_idempotency_key_implies_keep() -> None:
    found = command('{"input": "a", "idempotency_key": "k", "keep": false}')
    assert isinstance(found, Generate)
    assert (found.key, found.keep) == ("k", True)


def test_yes_and_no_may_be_texts_as_over_http() -> None:
    found = command('{"input": "a", "preview": "true", "keep": "0"}')
    assert isinstance(found, Generate)
    assert (found.preview, found.keep) == (True, False)


def test_null_is_not_given() -> None:
    message = '{"type": null, "input": "a", "steps": null, "label": null, "keep": null, "model": null}'
    assert command(message) == command("a")


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ('{"type": "cancel", "id": "x"}', Cancel(id="x")),
        ('{"type": "cancel", "label": "x"}', Cancel(label="x")),
        ('{"type": "attach", "id": "x"}', Attach("x")),
        ('{"type": "attach", "id": "x", "label": "l", "preview": true}', Attach("x", "l", True)),
        ('{"type": "auth", "key": "k"}', Auth("k")),
        (f'{{"type": "auth", "key": "{"k" * 4096}"}}', Auth("k" * 4096)),
    ],
)
def test_the_other_commands(message: str, meant: Command) -> None:
    assert command(message) == meant


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(Auth("secret"))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("", "input"),
        ("   ", "input"),
        ("{}", "input"),
        ('{"type": "generate"}', "input"),
        ('{"input": 7}', "input"),
        ('{"input": ["a"]}', "input"),
        ('{"steps": 20}', "input"),
        ('{"type": "paint", "input": "a"}', "type"),
        ('{"type": ["generate"], "input": "a"}', "type"),
        ('{"type": {}, "input": "a"}', "type"),
        ('{"input": "a", "steps": "many"}', "steps"),
        ('{"input": "a", "steps": 0}', "steps"),
        ('{"input": "a", "width": 100}', "width"),
        ('{"input": "a", "seed": 1e300}', "seed"),
        ('{"input": "a", "seed": 1e999}', "seed"),
        ('{"input": "a", "seed": NaN}', "seed"),
        ('{"input": "a", "seed": ' + "9" * 400 + "}", "seed"),
        ('{"input": "\\ud800"}', "input"),
        ('{"input": "a\\udc00b", "steps": 3}', "input"),
        ('{"input": "a", "negative_prompt": "\\ud83d"}', "negative_prompt"),
        ('{"input": "a", "label": "\\ud800"}', "label"),
        ('{"input": "a", "extra": {"deep": ["\\ud800"]}}', "extra"),
        ('{"input": "a", "label": 7}', "label"),
        ('{"input": "a", "label": ""}', "label"),
        ('{"input": "a", "label": "' + "x" * 201 + '"}', "label"),
        ('{"input": "a", "preview": "perhaps"}', "preview"),
        ('{"input": "a", "keep": 1}', "keep"),
        ('{"input": "a", "idempotency_key": 5}', "idempotency_key"),
        ('{"input": "a", "idempotency_key": "' + "x" * 256 + '"}', "idempotency_key"),
        ('{"input": "a", "id": "x"}', "id"),
        ('{"input": "a", "script_name": "x"}', "script_name"),
        ('{"input": "a", "override_settings": {}}', "override_settings"),
        ('{"input": "a", "alwayson_scripts": {}}', "alwayson_scripts"),
        ('{"type": "cancel"}', "id"),
        ('{"type": "cancel", "id": "x", "label": "y"}', "id"),
        ('{"type": "cancel", "id": 5}', "id"),
        ('{"type": "cancel", "label": 5}', "label"),
        ('{"type": "cancel", "input": "a"}', "input"),
        ('{"type": "attach"}', "id"),
        ('{"type": "attach", "id": "' + "x" * 101 + '"}', "id"),
        ('{"type": "attach", "id": "x", "keep": true}', "keep"),
        ('{"type": "auth"}', "key"),
        ('{"type": "auth", "key": "k", "user": "u"}', "user"),
    ],
)
def test_what_is_wrong_is_named(message: str, field: str) -> None:
    error = refusal(message)
    assert error.field == field
    assert error.message.startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("[]", "a JSON object is wanted"),
        ('["a"]', "a JSON object is wanted"),
        ("{", "is none: Input data was truncated"),
        ('{"input": "a"} {', "is none: trailing characters (byte 16)"),
        ("{'input': 'a'}", "is none: "),
        ('{"input": "a", "\\ud800": 1}', "is none: "),
        (f'{{{MANY}, "input": "\\ud800"}}', "is none: "),
        ('{"input": "a"} \ud800', "is none: "),
        ("[" * 100_000, "is none: it is nested too deeply"),
        ('{"a":' * 100_000, "is none: it is nested too deeply"),
    ],
)
def test_what_is_no_json_object_is_told_so(message: str, told: str) -> None:
    error = refusal(message)
    assert told in error.message
    assert error.field is None


def test_a_long_wrong_name_is_not_repeated_in_full() -> None:
    error = refusal('{"input": "a", "' + "x" * 10_000 + '": 1}')
    assert len(error.message) < 400


def test_an_error_says_what_it_is_about_as_far_as_that_was_readable() -> None:
    assert names_of({"id": "i", "label": "l", "type": "x"}) == {"id": "i", "label": "l"}
    assert names_of({"id": 5, "label": ["l"]}) == {}
    assert names_of({"id": "x" * 1000, "label": "y" * 1000}) == {}


@pytest.mark.parametrize(
    "fault", [r'"input": "a\ud83d"', '"input": "a", "seed": NaN', '"input": "a", "cfg_scale": 1e999']
)
@pytest.mark.parametrize("before", ["", "\ufeff "])
def test_that_holds_also_where_only_another_field_cannot_be_read(fault: str, before: str) -> None:
    message = before + '{"label": "ä", ' + fault + "}"
    assert refusal(message).field in {"input", "seed", "cfg_scale"}
    assert names_in(message) == names_in(message.encode()) == {"label": "ä"}


@pytest.mark.parametrize(
    "message",
    [
        r'{"label": "\ud83d"}',
        '["label"]',
        '{"label": "a"',
        "[" * 100_000,
        '"label"',
        f'{{{MANY}, "label": "a"}}',
        b"\xff",
    ],
)
def test_of_what_cannot_be_said_again_there_is_no_name(message: str | bytes) -> None:
    assert names_in(message) == {}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
NAMES = st.sampled_from(
    ["type", "input", "id", "label", "preview", "keep", "key", "idempotency_key", *FIELDS]
)
KINDS = st.sampled_from(["generate", "cancel", "attach", "auth"])
OBJECTS = st.builds(
    lambda fields, kind: {**fields, **kind},
    st.dictionaries(NAMES | st.text(), VALUES),
    st.just({}) | st.builds(lambda kind: {"type": kind}, KINDS),
)
TEXTS = st.text(st.characters(codec=None)) | st.binary() | OBJECTS.map(json.dumps)
BROKEN = st.builds(lambda fields, end: json.dumps(fields)[:end], OBJECTS, st.integers(0, 80))


@given(TEXTS | BROKEN | st.text().map("{".__add__) | st.text().map("[".__add__))
@example('{"input": "a", "seed": ' + "9" * 5000 + "}")
@example("\ud800")
@example("{\ud800")
def test_anything_is_a_command_or_an_error_that_can_be_told(message: str | bytes) -> None:
    try:
        found = command(message)
    except SdError as error:
        names = names_in(message)
        told = json.loads(error_message(error, refused=True, **names))
        assert told["type"] == "error"
        assert told["code"] == "invalid_request"
    else:
        assert isinstance(found, Command)


# --- what a client is told


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Queued(3, 12.5), {"type": "queued", "position": 3, "eta": 12.5}),
        (Started("gpu:7860"), {"type": "started", "backend": "gpu:7860"}),
        (
            Progress(0.35, 7, 20, 4.1),
            {"type": "progress", "progress": 0.35, "step": 7, "steps": 20, "eta": 4.1},
        ),
        (Failed("timeout", "too slow"), {"type": "error", "code": "timeout", "message": "too slow"}),
        (Cancelled(), {"type": "cancelled"}),
    ],
)
def test_an_event_is_one_message(event: Event, told: dict[str, object]) -> None:
    assert words(event) == [{"id": "i", **told}]
    assert words(event, "mine") == [{"id": "i", "label": "mine", **told}]


def test_the_names_stand_in_front() -> None:
    (((message,), _),) = event_messages(Queued(0, None), "i", "mine")
    assert isinstance(message, bytes)
    assert message.startswith(b'{"type":"queued","id":"i","label":"mine",')


def test_a_completed_job_is_one_message_a_picture_and_the_last_one_is_known() -> None:
    images = tuple(Image(f"PICTURE{n}".encode(), "png", n) for n in range(3))
    event = Completed(images, "gpu:7860", 1.0, "alpha", "Euler", 512, 512, 20)
    messages = list(event_messages(event, "i", "mine"))
    assert [last for _, last in messages] == [False, False, True]
    told = [json.loads(b"".join(parts)) for parts, _ in messages]
    assert [picture["image-base64"] for picture in told] == ["PICTURE0", "PICTURE1", "PICTURE2"]
    assert [(picture["index"], picture["count"], picture["seed"]) for picture in told] == [
        (0, 3, 0),
        (1, 3, 1),
        (2, 3, 2),
    ]
    assert {(picture["type"], picture["id"], picture["label"]) for picture in told} == {
        ("image", "i", "mine")
    }


@pytest.mark.parametrize("event", [Queued(0, None), Started("b"), Progress(0.1, 1, 9, None)])
def test_after_what_is_no_end_more_follows(event: Event) -> None:
    assert [last for _, last in event_messages(event, "i")] == [False]


@pytest.mark.parametrize("event", [Failed("timeout", "m"), Cancelled()])
def test_after_an_end_nothing_follows(event: Event) -> None:
    assert [last for _, last in event_messages(event, "i")] == [True]


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_has_its_words(code: str) -> None:
    error = UnknownModel("x", ["y"]) if code == "unknown_model" else ERRORS[code]("what happened")
    told = json.loads(error_message(error, refused=False, label="mine"))
    assert (told["type"], told["label"], told["code"]) == ("error", "mine", code)
    assert "refused" not in told
    assert json.loads(error_message(error, refused=True, label="mine")) == {**told, "refused": True}
    assert told["message"]
    assert told.get("retry_after") == error.retry_after
    assert "id" not in told


def test_a_cancelled_job_of_another_connection() -> None:
    assert json.loads(event_message(Cancelled(), "i")) == {"type": "cancelled", "id": "i"}
