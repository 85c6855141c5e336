"""Answer: the bytes of a txt2img answer to pictures, without parsing megabytes of base64 as JSON text. Pure.

The fast path takes a body that begins with `{"images":["`, as all servers write it, whose pictures need no
unescaping: they are spans of the body, and only what stands around them is parsed. Any other body goes to
the parser whole.
"""

import json
import re
from binascii import Error, a2b_base64
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw, Struct

from core.backends.a1111.lists import is_name
from core.errors import BackendError
from core.events import Completed, Image
from core.request import ImageRequest

FORMATS = {b"iVBORw0KGgo": "png", b"/9j/": "jpeg", b"UklGR": "webp"}
"""How the base64 of each format begins."""
NOTHING = "answered without a picture"
UNKNOWN = (
    "answered a picture that is neither PNG, JPEG nor WebP; "
    "set its image format (samples_format) to png, jpg or webp"
)
TAIL = 64
"""Characters at a picture's end that are decoded, to see that it is whole."""
LONGEST_METADATA = 16_384
"""Bytes of an answer that usually stand after its last picture, at most."""
BYTES_OF_A_PIXEL = 16 / 3
"""Of a picture that is noise and bears transparency, as PNG in base64: none takes more."""
BYTES_OF_A_LETTER = 64
"""Of a prompt, all in all, for each picture: an emoji is 14 bytes in `info` (JSON in JSON, in ASCII), which
tells it twice, and 6 in the picture itself."""
BESIDE = 16 * 1024 * 1024
"""Bytes for each picture that depend on neither: its owner may have small ones enlarged, or others added."""
MOST_INFO = 1024 * 1024
"""Bytes of `info` beside the prompts in it, ample: read, odd JSON takes many times its bytes of memory."""
MOST_IMAGES = 1000
"""Of one answer, ample: no batch has more than 100, and a grid or what an extension adds."""
LARGEST_SHARE_BESIDE = 1 / 8
"""Of the pictures' bytes: what else an answer may bear and stay in memory for as long as they do."""
SPACE, QUOTE = ord(" "), ord('"')

_BEGIN = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"images"[ \t\n\r]*:[ \t\n\r]*\[[ \t\n\r]*(?=")')
_NEXT = re.compile(rb'[ \t\n\r]*,[ \t\n\r]*(?=")')
_END = re.compile(rb"[ \t\n\r]*\]")

Span = memoryview


class Metadata(Struct):
    """What is read of an answer beside its pictures; all else is skipped."""

    images: Any = UNSET
    info: Any = None


class _Parsed(Struct):
    """The same where the parser reads all of it, and `info` once its length is known."""

    images: Annotated[list[str], Meta(max_length=MOST_IMAGES)] | None = None
    info: Raw = Raw(b"null")


class _Info(Struct):
    """What is read of `info`, where anything may stand."""

    seed: Any = None
    all_seeds: Any = None
    infotexts: Any = None
    index_of_first_image: Any = None
    sd_model_name: Any = None
    sampler_name: Any = None
    width: Any = None
    height: Any = None
    steps: Any = None


def read_answer(body: bytes, request: ImageRequest, seed: int, backend: str, seconds: float) -> Completed:
    """What the server painted. Raises BackendError for a body that holds no whole picture."""
    try:
        most = MOST_INFO + _texts(request)
        images, metadata = split_images(body, most) or parse_images(body, most)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BackendError(f"{backend}: answered something that is no JSON of A1111") from error
    if not images:
        raise BackendError(f"{backend}: {NOTHING}")
    info = _info(metadata.info)
    seeds, infotexts = info.all_seeds, info.infotexts
    if len(images) > request.batch_size:
        images, infotexts = _asked_for(request.batch_size, images, infotexts, info)
    size = sum(map(len, images))
    if len(body) - size > LARGEST_SHARE_BESIDE * size:
        images = [memoryview(bytes(image)) for image in images]  # copied, to let go of the rest
    first = _number(info.seed, seed)
    longest = LONGEST_METADATA + len(request.prompt) + len(request.negative_prompt)
    return Completed(
        images=tuple(
            _image(
                image,
                backend,
                _number(_item(seeds, n), first + n),
                _text(_item(infotexts, n))[:longest],
            )
            for n, image in enumerate(images)
        ),
        backend=backend,
        seconds=seconds,
        model=info.sd_model_name if is_name(info.sd_model_name) else request.model,
        sampler_name=info.sampler_name if is_name(info.sampler_name) else request.sampler_name,
        width=_number(info.width, request.width),
        height=_number(info.height, request.height),
        steps=_number(info.steps, request.steps),
    )


def longest_answer(request: ImageRequest) -> int:
    """Bytes that no honest answer exceeds: the pictures, a grid of them all, and what is told of each."""
    pixels = request.batch_size * request.width * request.height
    return BESIDE * request.batch_size + _texts(request) + 2 * round(pixels * BYTES_OF_A_PIXEL)


def _texts(request: ImageRequest) -> int:
    """Bytes that its prompts take at the most, all in all."""
    letters = len(request.prompt) + len(request.negative_prompt)
    return (request.batch_size + 1) * letters * BYTES_OF_A_LETTER


def _asked_for(count: int, images: list[Span], infotexts: Any, info: _Info) -> tuple[list[Span], Any]:
    """The pictures that were asked for, of more, and their texts.

    With return_grid on, the grid of all comes first, and a text for it; what an extension adds comes last.
    """
    begin = min(_number(info.index_of_first_image, 1), len(images) - count)
    if isinstance(infotexts, list) and len(infotexts) > count:
        infotexts = infotexts[begin:]
    return images[begin : begin + count], infotexts


def split_images(body: bytes, most: int = MOST_INFO) -> tuple[list[Span], Metadata] | None:
    """The pictures as spans of the body, and the metadata parsed; None where only the parser can tell.

    It does where the metadata has more than `most` bytes, and where there are more than MOST_IMAGES.
    """
    found = _BEGIN.match(body)
    if found is None:
        return None
    view, spans = memoryview(body), list[Span]()
    while found is not None:
        begin = found.end() + 1
        # A single picture ends where the metadata begins: if no byte up to there is a quote's or less, it is
        # its first quote, found without a search through all of it.
        close = -1 if spans else body.find(b'"', max(begin, len(body) - LONGEST_METADATA))
        if close < 0 or _least(view[begin:close]) <= QUOTE:
            close = body.find(b'"', begin)
            if close < 0 or _least(view[begin:close]) < SPACE:
                return None
        if body.find(b"\\", begin, close) >= 0 or len(spans) == MOST_IMAGES:
            return None
        spans.append(view[begin:close])
        found = _NEXT.match(body, close + 1)
    end = _END.match(body, close + 1)
    if end is None or len(body) - end.end() > most:
        return None
    # The key before the metadata is one that no server sends; a second "images" would be for the parser. What
    # is skipped must be UTF-8 as well.
    metadata = msgspec.json.decode('{"":""' + body[end.end() :].decode(), type=Metadata)
    return (spans, metadata) if metadata.images is UNSET else None


def _least(span: Span) -> int:
    """The smallest of these bytes, as signed ones: what is beyond ASCII is below zero.

    A text of JSON may bear all from the space on unescaped, but for the quote and the backslash.
    """
    return int(np.minimum.reduce(np.frombuffer(span, dtype=np.int8), initial=127))


def parse_images(body: bytes, most: int = MOST_INFO) -> tuple[list[Span], Metadata]:
    """The same by the JSON parser alone: no more than `most` bytes of `info` are read.

    Raises ValueError or msgspec.DecodeError.
    """
    parsed = msgspec.json.decode(body.decode(), type=_Parsed)
    info = bytes(parsed.info)
    metadata = Metadata(info=msgspec.json.decode(info) if len(info) <= most else None)
    return [_plain_span(image) for image in parsed.images or []], metadata


def _plain_span(image: str) -> Span:
    """A picture that stands in our JSON as it is; MIME's base64 comes in lines, which are joined."""
    text = image.replace("\r", "").replace("\n", "").encode()
    if b'"' in text or b"\\" in text or _least(memoryview(text)) < SPACE:
        raise ValueError("images: a text that is no base64")
    return memoryview(text)


def _image(base64: Span, backend: str, seed: int, infotext: str) -> Image:
    """One picture that is whole, in a format that clients know."""
    start = bytes(base64[:64])
    if start.startswith(b"data:"):
        base64 = base64[start.find(b",") + 1 :]
        start = bytes(base64[:64])
    format = format_of(start)
    if format is None:
        raise BackendError(f"{backend}: {UNKNOWN if start else NOTHING}")
    try:
        tail = a2b_base64(base64[-TAIL:], strict_mode=True) if len(base64) % 4 == 0 else b""
        is_whole = bool(tail) and _is_whole(format, base64, tail)
    except Error:
        is_whole = False
    if not is_whole:
        raise BackendError(f"{backend}: answered a truncated picture")
    return Image(base64, format, seed, infotext)


def format_of(start: bytes) -> str | None:
    """What base64 that begins so is a picture of; None where clients know no such format."""
    for prefix, name in FORMATS.items():
        if start.startswith(prefix):
            return name
    return None


def _is_whole(format: str, base64: Span, tail: bytes) -> bool:
    """Whether a picture ends as its format says: by its last mark, WebP by its length. May raise Error."""
    match format:
        case "png":
            return b"IEND" in tail
        case "jpeg":
            return tail.rstrip(b"\0").endswith(b"\xff\xd9")
    length = len(base64) // 4 * 3 - bytes(base64[-2:]).count(b"=")
    return int.from_bytes(a2b_base64(base64[:12])[4:8], "little") + 8 <= length


def _info(info: object) -> _Info:
    """`info` is JSON in a string; relatives of A1111 leave it empty, broken, or send it as an object."""
    try:
        if isinstance(info, str):
            return msgspec.json.decode(info, type=_Info)
        return msgspec.convert(info, _Info)
    except (msgspec.DecodeError, RecursionError):
        return _python_info(info)


def _python_info(info: object) -> _Info:
    """The same where Python wrote NaN or Infinity into it, which are no JSON: they are left out.

    Half a character, as of a file's name that is no UTF-8, becomes a question mark: nobody can hand it on.
    """
    try:
        words = json.loads(info, parse_constant=lambda _: None) if isinstance(info, str) else None
        text = json.dumps(words, ensure_ascii=False).encode(errors="replace")
        return msgspec.json.decode(text, type=_Info)
    except (ValueError, RecursionError):
        return _Info()


def _item(items: object, number: int) -> object:
    return items[number] if isinstance(items, list) and number < len(items) else None


def _number(value: object, otherwise: int) -> int:
    # A boolean is an int as well, and what needs more than 64 bits is none that anybody could hand on.
    return value if type(value) is int and 0 <= value < 1 << 63 else otherwise


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
