"""What an answer without a picture means: whose fault it tells of, and in whose words. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from core.backends import Unreachable
from core.errors import BackendError, InvalidRequest, SdError

LONGEST_REASON = 300
"""Characters of what a server says that are handed on."""
PLAIN = b"Internal Server Error"
"""All that a server without an error handler says of its own fault: Starlette's words."""
SHORTEST_RETRY_AFTER, USUAL_RETRY_AFTER, LONGEST_RETRY_AFTER = 1.0, 10.0, 60.0
"""Seconds for which a server that answers 429 is left alone, whatever it asks for. SD.Next asks for nothing,
and counts over a minute."""

Words = dict[str, Any]


def is_its_own(status: int, body: bytes) -> bool:
    """Whether the server itself fails, and no proxy before it: in A1111's words, or in those of Starlette, as
    Forge has done since 2024, and its relatives."""
    return "error" in _object(body) or (status == 500 and body == PLAIN)


def is_a_relatives(body: bytes) -> bool:
    """Whether the server itself fails, in the words of one that is like A1111: see `_said`."""
    return bool(_said(body)) or "detail" in _object(body)


def retry_after_of(retry_after: str | None) -> float:
    """The seconds of a Retry-After, within bounds; a date in it is by somebody else's clock."""
    try:
        seconds = USUAL_RETRY_AFTER if retry_after is None else float(retry_after)
    except ValueError:
        seconds = USUAL_RETRY_AFTER
    return min(LONGEST_RETRY_AFTER, max(SHORTEST_RETRY_AFTER, seconds))


def nothing_there(status: int, body: bytes) -> str:
    """Why there is no txt2img: only A1111 itself says that it lacks it in FastAPI's words.

    It asks for a password with 401, and forbids nothing.
    """
    if status == 403:
        return "answers 403: something before it forbids it"
    if status == 404 and _object(body).get("detail") == "Not Found":
        return "no /sdapi there: start it with --api"
    return f"what answers there is no A1111 (status {status}): another program, a tunnel or a proxy does"


def refusal_of(name: str, status: int, body: bytes) -> SdError:
    """What an answer means that is neither 200 nor about who asks."""
    words = _object(body)
    detail = words.get("detail")
    match status:
        case 403:
            return Unreachable(f"{name}: {nothing_there(status, body)}")
        case 404 if not detail or detail == "Not Found":
            return Unreachable(f"{name}: {nothing_there(status, body)}")
        case 404 | 400 if detail:  # an unknown sampler is the one or the other, by version
            return InvalidRequest(f"{name}: {short(detail)}", field=_field(str(detail)))
        case 422 if detail:
            return _invalid(name, detail)
        # So stable-diffusion.cpp's server says what is wrong with the parameters; A1111 and Forge tell of a
        # fault of their own in one more field, whatever the status.
        case 400 if isinstance(words.get("error"), str) and not {"errors", "message"} & words.keys():
            return InvalidRequest(f"{name}: {short(words['error'])}", field=_field(words["error"]))
        case _ if words.get("error"):
            sentence = f"{words['error']}: {_last_line(_reason(words))}".rstrip(": ")
            return BackendError(f"{name}: {short(sentence)}")
        case 500 if body == PLAIN:
            return BackendError(f"{name}: answered 500 without a reason; its console has it")
    return BackendError(f"{name}: {short(f'answered {status}: {_last_line(_said(body))}'.rstrip(': '))}")


def _invalid(name: str, detail: object) -> InvalidRequest:
    """FastAPI's list of what is wrong with the parameters: its first entry."""
    if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
        place = detail[0].get("loc")
        field = short(place[-1]) if isinstance(place, list) and place else None
        return InvalidRequest(f"{name}: {field or 'parameters'}: {short(detail[0].get('msg'))}", field=field)
    return InvalidRequest(f"{name}: {short(detail)}")


def _field(detail: str) -> str | None:
    return "sampler_name" if "sampler" in detail.lower() else None


def _object(body: bytes) -> Words:
    words = read_json(body)
    return words if isinstance(words, dict) else {}


def read_json(body: bytes) -> Any:
    """What a body says; None where it is no JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _reason(words: Words) -> str:
    """What the server says of its own fault: A1111 in `errors`, Forge in `message`.

    `body` may be all that the server was sent, or was about to answer.
    """
    texts = [words.get(name) for name in ("errors", "message", "detail", "body")]
    if isinstance(texts[-1], str) and len(texts[-1]) > LONGEST_REASON:
        texts.pop()
    return next((text for text in texts if isinstance(text, str) and text), "")


def _said(body: bytes) -> str:
    """What relatives of A1111 say in another shape: FastAPI's `detail`, with a `msg` in it by KoboldCpp, or
    nothing but a text of JSON by SD.Next."""
    words = read_json(body)
    detail = words.get("detail") if isinstance(words, dict) else words
    text = detail.get("msg") if isinstance(detail, dict) else detail
    return text if isinstance(text, str) else ""


def _last_line(reason: str) -> str:
    """Of a traceback the line that says what happened."""
    return reason.strip().rsplit("\n", 1)[-1]


def short(text: object) -> str:
    """A server's words as they are handed on: in one line, and without what would steer a terminal."""
    words = " ".join(str(text).split())
    words = words if len(words) <= LONGEST_REASON else words[: LONGEST_REASON - 1] + "…"
    return "".join(filter(str.isprintable, words))
