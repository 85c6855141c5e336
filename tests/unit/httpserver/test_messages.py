"""The words of HTTP, without a server."""

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from core import (
    Cancelled,
    Completed,
    Failed,
    Image,
    ImageRequest,
    InvalidRequest,
    Limits,
    Progress,
    Queued,
    Started,
)
from core.wire import LONGEST_KEY, problem_words
from httpserver.messages import (
    PARAMETERS,
    Preference,
    Wanted,
    file_name,
    is_key,
    job_answer,
    read_body,
    read_idempotency_key,
    read_options,
    read_prefer,
    read_query,
    read_wanted,
    unpack,
)
from tests.unit.httpserver.calls import calls_of

LIMITS = Limits()


def in_query(query: str) -> Wanted:
    """What a URL's query asks for."""
    return read_wanted(read_query(URL(f"/text?{query}", encoded=True)), LIMITS)


def in_body(body: bytes, content_type: str = "application/json") -> Wanted:
    """What a JSON body asks for."""
    return read_wanted(read_body(content_type, body), LIMITS)


def picture(**words: object) -> Completed:
    """A job's end with two pictures."""
    images = (Image(b"aGk=", "png", 7, str(words.get("infotext", ""))), Image(b"aGkK", "png", 8))
    return Completed(images, "gpu:7860", 1.5, "alpha", "Euler", 512, 512, 20)


# --- what is asked for


def test_a_prompt_is_enough() -> None:
    """All else has a default, and the prompt is what the query held, with its quotes and spaces."""
    assert in_query("input=%22monkey%20with+a%20hat%22%20") == Wanted(
        ImageRequest(prompt='"monkey with a hat" ')
    )


def test_a_query_carries_every_parameter() -> None:
    """Under A1111's own names, with the two options beside them."""
    query = urlencode(
        {
            "input": "naïve 🐒",
            "negative_prompt": "trees",
            "steps": "30",
            "width": "640",
            "height": "768",
            "cfg_scale": "6.5",
            "sampler_name": "Euler a",
            "seed": "42",
            "batch_size": "2",
            "model": "alpha",
            "preview": "true",
            "keep": "1",
        }
    )
    image = ImageRequest(
        prompt="naïve 🐒",
        negative_prompt="trees",
        steps=30,
        width=640,
        height=768,
        cfg_scale=6.5,
        sampler_name="Euler a",
        seed=42,
        batch_size=2,
        model="alpha",
    )
    assert in_query(query) == Wanted(image, preview=True, keep=True)


def test_a_body_is_as_good_as_a_query() -> None:
    """Numbers may be numbers or words, booleans as well; null is not given."""
    body = {
        "input": "x",
        "steps": 30,
        "seed": "42",
        "cfg_scale": 6.5,
        "keep": True,
        "preview": "no",
        "model": None,
    }
    assert in_body(json.dumps(body).encode()) == in_query("input=x&steps=30&seed=42&cfg_scale=6.5&keep=on")


def test_null_in_a_body_is_not_given_as_on_the_websocket() -> None:
    """Whatever it is called: who sends one object to both says so of what the other one alone knows."""
    body = {"input": "x", "seed": None, "type": None, "label": None, "idempotency_key": None}
    assert in_body(json.dumps(body).encode()) == in_query("input=x")


def test_empty_fields_of_a_form_are_not_given() -> None:
    """A form sends all its fields, whether somebody wrote something in them or not."""
    assert in_query("input=x&negative_prompt=&seed=&keep=") == in_query("input=x")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(
    st.lists(
        st.sampled_from(
            ["a", "bc", "é", "=", "&", "+", "%", "%2", "%2B", "%25", "%C3%A9", "%C3", "%ff", "\udcff"]
        ),
        max_size=40,
    )
)
def test_a_query_is_read_as_by_the_standard_library(letters: list[str]) -> None:
    """With plus signs, half an escape, nothing before the equals sign; what is no text is refused."""
    query = "".join(letters)
    pairs = parse_qsl(query, True, errors="surrogateescape")
    try:
        fields = read_query(URL(f"/text?{query}", encoded=True))
    except InvalidRequest:
        assert len(dict(pairs)) < len(pairs) or not all(_is_text(name + value) for name, value in pairs)
    else:
        assert all(_is_text(value) for _, value in pairs)
        if all(_is_text(name) for name, _ in pairs):
            assert fields == {name: value or None for name, value in pairs}


@pytest.mark.parametrize("signs", ["%", "%zz", "%C3a", "%C3%A9", "%41"])
def test_the_longest_query_is_read_in_a_few_calls_whatever_it_is_made_of(signs: str) -> None:
    """Anybody may send one, and nobody else is served meanwhile."""
    url = URL(f"/text?input={signs * (130_000 // len(signs))}", encoded=True)

    def read() -> None:
        with suppress(InvalidRequest):
            read_query(url)

    assert calls_of(read) < 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "input"),
        ("input=", "input"),
        ("input=%20", "input"),
        ("input=%ff", "input"),
        ("input=a&input=b", "input"),
        ("input=a&steps=10&steps=20", "steps"),
        ("input=a&steps=ten", "steps"),
        ("input=a&width=500", "width"),
        ("input=a&width=4096&height=4096", "width"),
        ("input=a&seed=1e99", "seed"),
        ("input=a&keep=maybe", "keep"),
        ("input=a&preview=2", "preview"),
        ("input=a&script_name=x", "script_name"),
        ("input=a&alwayson_scripts=", "alwayson_scripts"),
        ("input=a&override_settings={}", "override_settings"),
        ("prompt=a", "prompt"),
        ("a monkey", "a monkey"),
        ("input=a&%ff=1", "\ufffd"),
        (f"input=a&{'n' * 5000}=1", "n" * 40),
        (f"input={'x' * 4001}", "input"),
    ],
)
def test_a_wrong_parameter_is_named(query: str, field: str) -> None:
    """Every refusal of a query tells which parameter is at fault."""
    with pytest.raises(InvalidRequest) as refused:
        in_query(query)
    assert refused.value.field == field
    assert refused.value.message.startswith(field)
    json.dumps(problem_words(refused.value)).encode()


def test_a_query_of_a_thousand_parameters_is_not_read() -> None:
    """It is refused as a whole."""
    with pytest.raises(InvalidRequest, match="more than 50"):
        in_query("&".join(f"a{number}=1" for number in range(1000)))


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b'{"input": "a"}', "text/plain", "Content-Type"),
        (b"input=a", "application/x-www-form-urlencoded", "Content-Type"),
        (b'{"input": "a"', "application/json", "no JSON"),
        (b"", "application/json", "no JSON"),
        (b"\xff\xfe", "application/json", "no JSON"),
        (b'{"input": "\xff"}', "application/json", "no JSON"),
        (b'{"input": "a", "\\ud800": 1}', "application/json", "no JSON"),
        (b"[" * 100_000, "application/json", "no JSON"),
        (b'["input"]', "application/json", "no JSON object"),
        (b'"input"', "application/json", "no JSON object"),
        (b"null", "application/json", "no JSON object"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes, content_type: str, words: str) -> None:
    """The answer says what is wrong with it."""
    with pytest.raises(InvalidRequest, match=words):
        in_body(body, content_type)


BODY = b'{"input": "a"}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("x-gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
    ],
)
def test_a_body_may_come_compressed(encoding: str, body: bytes) -> None:
    """In the ways that every language has at hand."""
    assert unpack(encoding, body, 1000) == BODY
    assert len(unpack(encoding, body, len(BODY) - 1)) >= len(BODY)


def test_of_a_body_that_swells_no_more_is_unpacked_than_shows_it() -> None:
    """A megabyte of it would be a gigabyte."""
    assert len(unpack("gzip", gzip.compress(bytes(10_000_000), mtime=0), 1000)) == 1001


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        ("br", BODY, "gzip or deflate is wanted"),
        ("gzip, gzip", BODY, "gzip or deflate is wanted"),
        ("gzip", BODY, "cannot be read as gzip"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-1], "ends too soon"),
        ("gzip", b"", "ends too soon"),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused(encoding: str, body: bytes, words: str) -> None:
    """The answer says what would be right."""
    with pytest.raises(InvalidRequest, match=words):
        unpack(encoding, body, 1000)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"input": "\\ud800"}', "input"),
        (b'{"seed": 1e999, "input": "a"}', "seed"),
        (b'{"input": "a", "negative_prompt": "\\udfff"}', "negative_prompt"),
    ],
)
def test_a_value_that_json_cannot_say_is_named(body: bytes, field: str) -> None:
    """Though no parser reads such a body."""
    with pytest.raises(InvalidRequest, match=f"^{field}: ") as refused:
        in_body(body, "application/json")
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": 7}, "input"),
        ({"input": ["a"]}, "input"),
        ({"input": None}, "input"),
        ({"input": "a", "steps": True}, "steps"),
        ({"input": "a", "steps": [20]}, "steps"),
        ({"input": "a", "seed": 10**400}, "seed"),
        ({"input": "a", "keep": 1}, "keep"),
        ({"input": "a", "preview": {}}, "preview"),
        ({"input": "a", "": 1}, ""),
    ],
)
def test_a_wrong_value_in_a_body_is_named(body: dict[str, object], field: str) -> None:
    """JSON has more kinds of wrong values than a query."""
    with pytest.raises(InvalidRequest) as refused:
        in_body(json.dumps(body).encode())
    assert refused.value.field == field


WORDS = st.text(max_size=30) | st.sampled_from(
    [*PARAMETERS, "true", "20", "512", "-1", "1e5", "NaN", "%", "+"]
)


@given(st.lists(st.tuples(st.sampled_from(PARAMETERS) | WORDS, WORDS), max_size=6))
@example([("input", "a"), ("steps", "٣")])
def test_any_query_is_a_request_or_an_error_that_names_a_field(pairs: list[tuple[str, str]]) -> None:
    """Written as a browser would write it."""
    query = "&".join(
        f"{quote(name, errors='replace')}={quote(value, errors='replace')}" for name, value in pairs
    )
    check(lambda: in_query(query))


@given(st.text(max_size=60))
def test_any_text_behind_the_question_mark_is_survived(query: str) -> None:
    """Written by anything but a browser."""
    check(lambda: in_query(query))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(PARAMETERS) | WORDS, JSON, max_size=6))
def test_any_object_is_a_request_or_an_error_that_names_a_field(body: dict[str, object]) -> None:
    """Whatever JSON can say."""
    check(lambda: in_body(json.dumps(body).encode()))


@given(st.binary(max_size=60))
def test_any_bytes_are_survived(body: bytes) -> None:
    """Most of them are no JSON, and then no field is at fault."""
    try:
        in_body(body)
    except InvalidRequest as error:
        json.dumps(problem_words(error)).encode()


def check(read: Callable[[], Wanted]) -> None:
    """It gives an ImageRequest within the limits, or an InvalidRequest that can be said."""
    try:
        wanted = read()
    except InvalidRequest as refused:
        error = refused
    else:
        assert wanted.image.prompt.strip()
        assert wanted.image.width * wanted.image.height <= LIMITS.max_pixels
        return
    assert error.field is not None
    json.dumps(problem_words(error)).encode()


def test_options_alone_are_read_where_nothing_else_may_be_asked() -> None:
    """`/jobs/ID` takes `preview` and no more."""
    assert read_options({"preview": "yes"}, ("preview",)) == {"preview": True, "keep": False}
    with pytest.raises(InvalidRequest, match="keep: no such parameter; there are: preview"):
        read_options({"keep": "yes"}, ("preview",))
    with pytest.raises(InvalidRequest, match="keep: no such parameter here"):
        read_options({"keep": "yes"})


@pytest.mark.parametrize(
    ("headers", "preference"),
    [
        ([], Preference()),
        (["respond-async"], Preference(True)),
        (["Respond-Async, wait=10"], Preference(True, 10)),
        (['wait = "7"; x=y', "respond-async; z"], Preference(True, 7)),
        (["wait=5, wait=9"], Preference(wait=5)),
        (["wait=99999"], Preference(wait=600)),
        (["wait=0"], Preference(wait=0)),
        (["wait=-1"], Preference()),
        (["wait=soon, return=minimal, handling=lenient"], Preference()),
        (["wait=²"], Preference()),
        (["respond-asynchronously"], Preference()),
        (["respond-async=false"], Preference()),
        ([";,=,\"'"], Preference()),
        ([f'wait={" " * 8000}"b"c', "respond-async"], Preference(True)),  # in no time: it stops everybody
    ],
)
def test_prefer_is_read_as_rfc_7240_has_it(headers: list[str], preference: Preference) -> None:
    """What is not known, or makes no sense, is as if it were not there."""
    assert read_prefer(headers) == preference


@pytest.mark.parametrize("key", ["", "a b", "ä", "\udcff", "x" * (LONGEST_KEY + 1), "tab\t"])
def test_an_unusable_idempotency_key_is_refused(key: str) -> None:
    """It would be somebody's wish to be painted once, so it is not simply ignored."""
    assert not is_key(key)
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        read_idempotency_key(key)


def test_an_idempotency_key_is_taken_as_it_is() -> None:
    """Any visible ASCII."""
    assert read_idempotency_key('"8e03978e-40d5"') == '"8e03978e-40d5"'


# --- what is answered


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Queued(3, 12.5), "waiting"),
        (Started("gpu:7860"), "running"),
        (Progress(0.35, 7, 20, 4.1, b"aGk="), "running"),
        (Failed("backend_error", "it broke", 5.0), "failed"),
        (Cancelled(), "cancelled"),
    ],
)
def test_a_job_tells_its_state(event: Queued, state: str) -> None:
    """Its last event in the websocket's words, and a word that is the same for all events of a state."""
    (part,) = job_answer(event, "id")
    words = json.loads(bytes(part))
    assert (words["id"], words["state"]) == ("id", state)
    assert words["type"] in {"queued", "started", "progress", "error", "cancelled"}


def test_a_completed_job_is_its_result() -> None:
    """As on /text, and its state."""
    words = json.loads(b"".join(job_answer(picture(), "id")))
    assert next(iter(words)) == "image-base64"
    assert (words["image-base64"], words["further-images-base64"]) == ("aGk=", ["aGkK"])
    assert (words["state"], words["seed"], words["seeds"]) == ("completed", 7, [7, 8])


@pytest.mark.parametrize(
    ("infotext", "name"),
    [
        ("A monkey, with a HAT!\nNegative prompt: b", "a-monkey-with-a-hat-1.png"),
        ("", "id-1.png"),
        ("猿", "id-1.png"),
        ('"/../etc/passwd\r\n', "etc-passwd-1.png"),
        ("x" * 500, "x" * 60 + "-1.png"),
    ],
)
def test_a_saved_picture_is_called_by_its_prompt(infotext: str, name: str) -> None:
    """In letters that every file system takes."""
    assert file_name(picture(infotext=infotext), 0, "id") == name
