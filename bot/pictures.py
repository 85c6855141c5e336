"""Pictures as files for Discord: decoded once, made to fit, and what they say of themselves.

Everything here takes milliseconds to seconds: call it in a thread.
"""

import binascii
import io
import logging
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

log = logging.getLogger(__name__)

SLICE = 1 << 18
"""Base64 characters that are decoded at once: a2b_base64 holds the interpreter's lock meanwhile."""
BREATH = 0.0001
"""Seconds between two slices in which the event loop has the interpreter for itself."""
QUALITIES = (95, 88, 80, 70)
SHRINK = 0.75
SMALLEST = 64
"""Pixels of a side below which a picture is not made any smaller."""
MOST_WEBP = 16_383
"""Pixels of a side that WebP knows."""
MOST_TEXT = 100_000
FORMATS = ("PNG", "JPEG", "WEBP")
"""Of strangers' pictures. Pillow knows some that unpack before their size is known, or start programs."""
MOST_PIXELS = 1 << 25
"""Of a stranger's picture that is unpacked to look for texts behind its pixels: 128 MiB in memory."""
MOST_CHUNKS = 10_000
"""Of a stranger's PNG: Pillow reads each in Python, and a picture of 20 MB has some thousands of them."""
MOST_BEFORE_PIXELS = 1 << 18
"""Bytes of a stranger's JPEG in which its comment is looked for: Pillow looks at some of them one by one."""
UNREADABLE = (
    UnidentifiedImageError,
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for files that are not what they seem to be."""
_EXIF, _USER_COMMENT = 0x8769, 0x9286


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file's bytes, and its ending."""

    data: bytes
    format: str
    reencoded: bool = False


def decode(base64: bytes | memoryview) -> bytes:
    """The bytes that this base64 text stands for. Raises ValueError where it is none."""
    text, file = memoryview(base64), io.BytesIO()
    for at in range(0, len(text), SLICE):
        file.write(binascii.a2b_base64(text[at : at + SLICE]))
        time.sleep(BREATH)
    return file.getvalue()


def format_of(data: bytes) -> str:
    """`png`, `jpg` or `webp`, by the first bytes."""
    if data.startswith(b"\xff\xd8"):
        return "jpg"
    return "webp" if data[8:12] == b"WEBP" else "png"


def fit(data: bytes, most: int) -> PictureFile:
    """The same picture in at most `most` bytes: as it is, else PNG packed tighter, else WebP or JPEG."""
    if len(data) <= most:
        return PictureFile(data, format_of(data))
    smallest = PictureFile(data, format_of(data))
    try:
        for candidate in _candidates(data):
            if len(candidate.data) <= most:
                return candidate
            smallest = min(smallest, candidate, key=lambda file: len(file.data))
    except UNREADABLE as error:  # then it can only be tried as it is
        log.warning("a picture of %d bytes cannot be packed anew: %s", len(data), error)
    return smallest


def _candidates(data: bytes) -> Iterator[PictureFile]:
    """The picture in ever fewer bytes; its parameters go with it."""
    with Image.open(io.BytesIO(data)) as opened:
        text = _parameters(opened)
        picture = opened if opened.mode in {"RGB", "RGBA", "L"} else opened.convert("RGB")
        if opened.format == "PNG":
            yield _save(picture, "png", text)
        for quality in QUALITIES:
            yield _save(picture, "webp", text, quality)
        while min(picture.size) * SHRINK >= SMALLEST:
            picture = picture.resize((int(picture.width * SHRINK), int(picture.height * SHRINK)))
            yield _save(picture, "webp", text, QUALITIES[-1])


def _save(picture: Image.Image, format: str, text: str, quality: int = 0) -> PictureFile:
    file = io.BytesIO()
    if format == "png":
        info = PngInfo()
        if text:
            info.add_text("parameters", text)
        picture.save(file, "PNG", optimize=True, pnginfo=info)
        return PictureFile(file.getvalue(), "png", reencoded=True)
    exif = Image.Exif()
    if text:
        exif.get_ifd(_EXIF)[_USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be", "replace")
    if max(picture.size) > MOST_WEBP:
        picture.convert("RGB").save(file, "JPEG", quality=quality, exif=exif)
        return PictureFile(file.getvalue(), "jpg", reencoded=True)
    picture.save(file, "WEBP", quality=quality, method=2, exif=exif)
    return PictureFile(file.getvalue(), "webp", reencoded=True)


def read_parameters(data: bytes) -> str:
    """What a PNG's texts, or a JPEG's or WebP's comment, say of how it was made; "" if nothing."""
    if data.startswith(b"\xff\xd8"):
        data = data[:MOST_BEFORE_PIXELS]
    elif data.startswith(b"\x89PNG") and _has_too_many_chunks(data):
        return ""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.format == "PNG" and picture.width * picture.height <= MOST_PIXELS:
                picture.load()  # its texts may stand behind its pixels
            return _parameters(picture)[:MOST_TEXT]
    except UNREADABLE:
        return ""


def _has_too_many_chunks(png: bytes) -> bool:
    """PNG, 5.3: each has its length, its type, its data and a checksum."""
    at = 8
    for _ in range(MOST_CHUNKS):
        if at >= len(png):
            return False
        at += 12 + int.from_bytes(png[at : at + 4])
    return True


def _parameters(picture: Image.Image) -> str:
    texts = {name: value for name, value in picture.info.items() if isinstance(value, str)}
    if "parameters" in texts:
        return texts["parameters"]
    if picture.format != "PNG" or "exif" in picture.info:  # asked for one, a PNG without any unpacks itself
        comment = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
        if isinstance(comment, bytes) and comment.startswith(b"UNICODE\0"):
            return _utf16(comment[8:])
    if picture.format != "PNG":
        return ""
    # Other programs write under names of their own: ComfyUI `prompt`, NovelAI `Comment`.
    return "\n".join(f"{name}: {value}" for name, value in texts.items())


def _utf16(data: bytes) -> str:
    """EXIF leaves the order of bytes open: Latin letters have their zero first in big-endian text."""
    order = "utf-16-be" if data[::2].count(0) >= data[1::2].count(0) else "utf-16-le"
    return data.decode(order, "replace")
