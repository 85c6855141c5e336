"""Answer: the bytes of a txt2img answer to pictures, without parsing megabytes of base64 as JSON text. Pure.

The fast path takes a body that begins with `{"images":["`, as all servers write it, whose pictures need no
unescaping: they are spans of the body, and only what stands around them is parsed. Any other body goes to
the parser whole.
"""

import re
from binascii import Error, a2b_base64
from typing import Any

import msgspec
import numpy as np

from core.errors import BackendError
from core.events import Completed, Image
from core.request import ImageRequest

FORMATS = {b"iVBORw0KGgo": "png", b"/9j/": "jpeg", b"UklGR": "webp"}
"""How the base64 of each format begins."""
TAIL = 64
"""Characters at a picture's end that are decoded, to see that it is whole."""

_BEGIN = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"images"[ \t\n\r]*:[ \t\n\r]*\[[ \t\n\r]*(?=")')
_NEXT = re.compile(rb'[ \t\n\r]*,[ \t\n\r]*(?=")')
_END = re.compile(rb"[ \t\n\r]*\]")

Span = memoryview


def read_answer(body: bytes, request: ImageRequest, seed: int, backend: str, seconds: float) -> Completed:
    """What the server painted. Raises BackendError for a body that holds no whole picture."""
    try:
        images, rest = split_images(body) or parse_images(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise BackendError(f"{backend}: answered something that is no JSON of A1111") from error
    if not images:
        raise BackendError(f"{backend}: answered without a picture")
    info = _info(rest)
    seeds, infotexts = info.get("all_seeds"), info.get("infotexts")
    if len(images) > request.batch_size:
        images, infotexts = _asked_for(request.batch_size, images, infotexts, info)
    first = _whole(info.get("seed"), seed)
    return Completed(
        images=tuple(
            _image(image, backend, _whole(_item(seeds, n), first + n), _text(_item(infotexts, n)) or "")
            for n, image in enumerate(images)
        ),
        backend=backend,
        seconds=seconds,
        model=_text(info.get("sd_model_name")) or request.model,
        sampler_name=_text(info.get("sampler_name")) or request.sampler_name,
        width=_whole(info.get("width"), request.width),
        height=_whole(info.get("height"), request.height),
        steps=_whole(info.get("steps"), request.steps),
    )


def _asked_for(
    count: int, images: list[Span], infotexts: Any, info: dict[str, Any]
) -> tuple[list[Span], Any]:
    """The pictures that were asked for, of more, and their texts.

    With return_grid on, the grid of all comes first, and a text for it; what an extension adds comes last.
    """
    begin = min(_whole(info.get("index_of_first_image"), 1), len(images) - count)
    if isinstance(infotexts, list) and len(infotexts) > count:
        infotexts = infotexts[begin:]
    # Copied, to let go of the rest.
    return [memoryview(bytes(image)) for image in images[begin : begin + count]], infotexts


def split_images(body: bytes) -> tuple[list[Span], dict[str, Any]] | None:
    """The pictures as spans of the body, and the rest parsed; None where only the parser can tell."""
    found = _BEGIN.match(body)
    if found is None:
        return None
    view, spans = memoryview(body), list[Span]()
    while found is not None:
        begin = found.end() + 1
        close = body.find(b'"', begin)
        if close < 0 or body.find(b"\\", begin, close) >= 0 or not _is_printable(view[begin:close]):
            return None
        spans.append(view[begin:close])
        found = _NEXT.match(body, close + 1)
    end = _END.match(body, close + 1)
    if end is None:
        return None
    # The key before the rest is one that no server sends; a second "images" would be for the parser.
    rest = msgspec.json.decode(b'{"":0' + body[end.end() :])
    return None if "images" in rest else (spans, rest)


def _is_printable(span: Span) -> bool:
    """Whether it holds nothing but ASCII from the space on, as a text of JSON may bear it unescaped."""
    # Signed, what is beyond ASCII is below zero. The least of 600 KB takes 15 microseconds.
    letters = np.frombuffer(span, dtype=np.int8)
    return not len(letters) or bool(letters.min() >= 0x20)


def parse_images(body: bytes) -> tuple[list[Span], dict[str, Any]]:
    """The same by the JSON parser alone. Raises ValueError or msgspec.DecodeError."""
    words = msgspec.json.decode(body)
    if not isinstance(words, dict):
        raise ValueError("not an object")
    images = words.get("images") or []
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise ValueError("images: not a list of texts")
    return [_plain_span(image) for image in images], words


def _plain_span(image: str) -> Span:
    """A picture that stands in our JSON as it is; MIME's base64 comes in lines, which are joined."""
    text = image.replace("\r", "").replace("\n", "").encode()
    if b'"' in text or b"\\" in text or not _is_printable(memoryview(text)):
        raise ValueError("images: a text that is no base64")
    return memoryview(text)


def _image(base64: Span, backend: str, seed: int, infotext: str) -> Image:
    """One picture that is whole, in a format that clients know."""
    start = bytes(base64[:64])
    if start.startswith(b"data:"):
        base64 = base64[start.find(b",") + 1 :]
        start = bytes(base64[:64])
    format = _format_of(start)
    if format is None:
        raise BackendError(f"{backend}: answered a picture that is neither PNG, JPEG nor WebP")
    try:
        tail = a2b_base64(base64[-TAIL:], strict_mode=True) if len(base64) % 4 == 0 else b""
    except Error:
        tail = b""
    if not tail or not _is_whole(format, base64, tail):
        raise BackendError(f"{backend}: answered a truncated picture")
    return Image(base64, format, seed, infotext)


def _format_of(start: bytes) -> str | None:
    for prefix, name in FORMATS.items():
        if start.startswith(prefix):
            return name
    return None


def _is_whole(format: str, base64: Span, tail: bytes) -> bool:
    """Whether a picture ends as its format says: by its last mark, WebP by its length."""
    match format:
        case "png":
            return b"IEND" in tail
        case "jpeg":
            return tail.rstrip(b"\0").endswith(b"\xff\xd9")
    length = len(base64) // 4 * 3 - bytes(base64[-2:]).count(b"=")
    return int.from_bytes(a2b_base64(base64[:12])[4:8], "little") + 8 <= length


def _info(rest: dict[str, Any]) -> dict[str, Any]:
    """`info` is JSON in a string; relatives of A1111 leave it empty, broken, or send it as an object."""
    info = rest.get("info")
    if isinstance(info, str) and info:
        try:
            info = msgspec.json.decode(info)
        except (msgspec.DecodeError, RecursionError):
            return {}
    return info if isinstance(info, dict) else {}


def _item(items: object, number: int) -> object:
    return items[number] if isinstance(items, list) and number < len(items) else None


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
