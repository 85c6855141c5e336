"""What an answer that is no success means: status and body to one of our errors. Pure.

Whether the job may be tried again hangs on it: InvalidRequest never, Unreachable without counting, any other
BackendError counts as a failed attempt. A message is one short line, never a traceback.
"""

import re
from typing import Any

import msgspec

from core.backends import Unreachable
from core.errors import BackendError, InvalidRequest, SdError
from core.request import FIELDS

LONGEST_MESSAGE = 300
"""Characters."""
LONGEST_BODY = 1 << 16
"""Bytes; an error that is longer is no error of A1111."""
NO_API = "no /sdapi: start it with --api"
REFUSED = "refused the user and password"
NAMES_A_PARAMETER = re.compile("sampler|scheduler|model|checkpoint|upscaler|script|lora", re.IGNORECASE)
"""In the detail of a 404: the API is there, but not what the request asks for."""
PROXY_STATUSES = {502, 503, 504, 520, 521, 522, 523, 524}
"""Said by a proxy in front (52x: Cloudflare); the server behind it may go on painting."""


def refusal(name: str, status: int, body: bytes) -> SdError:
    """The error; `name` is the server's."""
    content = _object(body)
    detail = content.get("detail")
    if status in (401, 403):
        return Unreachable(f"{name}: {REFUSED}")
    if 300 <= status < 400:
        return Unreachable(f"{name}: answers with a redirect to another address")
    if status in PROXY_STATUSES:
        return BackendError(f"{name}: the proxy before it answered {status}")
    if status in (400, 422) and detail:
        return _invalid(detail)
    if status in (404, 405, 501):
        if isinstance(detail, str) and NAMES_A_PARAMETER.search(detail):
            return InvalidRequest(_line(detail))
        return Unreachable(f"{name}: {NO_API}")
    return BackendError(_line(f"{name}: {_sentence(content) or f'answered {status}'}"))


def _invalid(detail: Any) -> InvalidRequest:
    """FastAPI's list of problems, of which the first is told, or a sentence."""
    first = detail[0] if isinstance(detail, list) else detail
    if not isinstance(first, dict):
        return InvalidRequest(_line(first if isinstance(first, str) else "refused by the server"))
    place = first.get("loc")
    field = str(place[-1]) if isinstance(place, list) and place else ""
    field = "input" if field == "prompt" else field
    message = first.get("msg")
    words = message if isinstance(message, str) else "refused by the server"
    known = field in FIELDS or field == "input"
    return InvalidRequest(_line(f"{field}: {words}" if field else words), field=field if known else None)


def _sentence(content: dict[str, Any]) -> str:
    """The essential sentence of A1111's error body, or of a relative's; empty where there is none."""
    parts = (content.get(key) for key in ("error", "errors", "message", "detail"))
    words = [part for part in parts if isinstance(part, str) and part.strip()]
    return ": ".join(dict.fromkeys(_line(word) for word in words[:2]))


def _line(text: str) -> str:
    """One line of bounded length, cut before a traceback."""
    line = " ".join(text.split("Traceback (most recent call last)", 1)[0].split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > LONGEST_BODY:
        return {}
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
