"""The words of HTTP: a query, a JSON body and headers to an ImageRequest, a job and an error to words.

Pure. What comes from outside ends as a value or as an InvalidRequest that names the field.
"""

import re
import zlib
from collections.abc import Mapping, Sequence

from msgspec import Struct
from yarl import URL

from core import (
    FIELDS,
    Completed,
    Event,
    ImageRequest,
    InvalidRequest,
    Limits,
    parse_flag,
    parse_request,
)
from core.wire import LONGEST_KEY, STATES, Parts, Words, decode, encode, event_words, images_answer

OPTIONS = ("preview", "keep")
"""The parameters beside those of the picture: how the client wants to be served."""
PARAMETERS = ("input", *FIELDS, *OPTIONS)
"""All that a request for pictures may bear."""
MOST_PARAMETERS = 50
LONGEST_WAIT = 600
"""Seconds that `Prefer: wait=N` may ask for."""
LONGEST_PREFER = 16_384
"""Characters of preferences that are read; who names more means nothing by them."""

_BEYOND_ASCII = re.compile("(?:%[89A-Fa-f][0-9A-Fa-f])+")


class Wanted(Struct, frozen=True):
    """What a client asks for: the pictures, and how it wants to be served."""

    image: ImageRequest
    preview: bool = False
    keep: bool = False


class Preference(Struct, frozen=True):
    """What `Prefer` says: answer before the picture is there; wait so many seconds for it, None: not said."""

    respond_async: bool = False
    wait: int | None = None


def read_query(url: URL) -> dict[str, object]:
    """The parameters of a URL. An empty one is not given: a form sends its empty fields, too."""
    if url.raw_query_string.count("&") >= MOST_PARAMETERS:
        raise InvalidRequest(f"more than {MOST_PARAMETERS} parameters")
    fields: dict[str, object] = {}
    is_text: bool | None = None
    for name, value in url.query.items():
        if name in fields:
            raise _refusal(name, "given twice")
        if _may_be_none(value):
            if is_text is None:  # of all of it, so it is asked once
                is_text = _is_utf8(url.raw_query_string)
            if not is_text:
                raise _refusal(name, "is no UTF-8")
        fields[name] = value or None
    return fields


def unpack(encoding: str, body: bytes, most: int) -> bytes:
    """What a compressed body holds; of one that holds more than `most` bytes one byte too many, and no more.

    aiohttp would unpack it while it arrives, all of it, also for those who may not come in.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise _refusal("Content-Encoding", "gzip or deflate is wanted, or none")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)  # knows both by their heads
    try:
        found = unpacking.decompress(body, most + 1)
    except zlib.error as error:
        raise InvalidRequest(f"the body cannot be read as {encoding}: {error}") from None
    if not unpacking.eof and len(found) <= most:
        raise InvalidRequest(f"the body cannot be read as {encoding}: it ends too soon")
    return found


def read_body(content_type: str, body: bytes) -> dict[str, object]:
    """The parameters of a JSON body; null is not given, whatever it is called, as on the websocket."""
    if content_type != "application/json":
        raise InvalidRequest("Content-Type: application/json is wanted")
    fields = decode(body, "the body is no JSON")
    if not isinstance(fields, dict):
        raise InvalidRequest('the body is no JSON object, such as {"input": "a monkey with a hat"}')
    return {name: value for name, value in fields.items() if value is not None}


def read_wanted(fields: Mapping[str, object], limits: Limits) -> Wanted:
    """What a client asks for in the parameters of a query or of a body."""
    options = read_options(fields, PARAMETERS)
    if fields.get("input") is None:
        raise InvalidRequest("input: the prompt is missing", field="input")
    parameters = {name: value for name, value in fields.items() if name in FIELDS}
    image = parse_request(fields["input"], parameters, limits)
    return Wanted(image, preview=options["preview"], keep=options["keep"])


def read_options(fields: Mapping[str, object], allowed: Sequence[str] = ()) -> dict[str, bool]:
    """All OPTIONS as booleans, false where not given; a name that is not in `allowed` is refused."""
    for name in fields:
        if name not in allowed:
            there_are = f"; there are: {', '.join(allowed)}" if allowed else " here"
            raise _refusal(name, f"no such parameter{there_are}")
    return {name: name in fields and parse_flag(name, fields[name]) for name in OPTIONS}


def read_prefer(headers: Sequence[str]) -> Preference:
    """The preferences of RFC 7240 that are known here; of a repeated one the first, unknown ones not."""
    if not headers:
        return Preference()
    found: dict[str, str] = {}
    for word in ",".join(headers)[:LONGEST_PREFER].split(","):
        name, _, value = word.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = found.get("wait", "")
    said = wait.isascii() and wait.isdigit() and len(wait) < 10
    return Preference(found.get("respond-async") == "", min(int(wait), LONGEST_WAIT) if said else None)


def read_idempotency_key(value: str) -> str:
    """The client's own name for a request; see `is_key`."""
    if not is_key(value):
        raise InvalidRequest(
            f"Idempotency-Key: 1 to {LONGEST_KEY} visible ASCII characters are wanted",
            field="Idempotency-Key",
        )
    return value


def is_key(value: str) -> bool:
    """Whether this can name a request: visible ASCII of a bounded length."""
    return 0 < len(value) <= LONGEST_KEY and all("!" <= letter <= "~" for letter in value)


def job_words(event: Event, id: str) -> Words:
    """A job's state: its last event in the websocket's words, and `state`."""
    return {**event_words(event, id), "state": STATES[type(event)]}


def job_answer(event: Event, id: str) -> Parts:
    """The answer of `GET /jobs/ID`: the state, or once it is completed the result as on /text."""
    if not isinstance(event, Completed):
        return (encode(job_words(event, id)),)
    *parts, end = images_answer(event, id)
    return (*parts, bytes(end)[:-1] + b',"state":"completed"}')


def file_name(completed: Completed, index: int, id: str) -> str:
    """What a picture is called when somebody saves it: its prompt's words, or its job's id."""
    image = completed.images[index]
    prompt = image.infotext[:200].split("\n", 1)[0].lower()
    words = "-".join(re.findall("[a-z0-9]+", prompt))[:60].strip("-")
    number = f"-{index + 1}" if len(completed.images) > 1 else ""
    return f"{words or id}{number}.{image.format}"


def _refusal(name: str, problem: str) -> InvalidRequest:
    """The error that names a parameter, as far as such a name can be said."""
    shown = name[:40].encode(errors="replace").decode()
    return InvalidRequest(f"{shown}: {problem}", field=shown)


def _may_be_none(value: str) -> bool:
    """Whether a value may have been no UTF-8: yarl replaces that, or leaves it as it is."""
    try:
        value.encode()
    except UnicodeError:
        return True
    return "%" in value or "\ufffd" in value


def _is_utf8(query: str) -> bool:
    """Whether a query's percent-encoding says text. Takes a while: up to 10 ms for the longest query.

    What stands between two runs of bytes beyond ASCII ends a letter, so a space may stand for it. To unquote
    all of it would take an exception for each percent sign that is no escape.
    """
    try:
        query.encode()
        bytes.fromhex("20".join(_BEYOND_ASCII.findall(query)).replace("%", "")).decode()
    except UnicodeError:
        return False
    return True
