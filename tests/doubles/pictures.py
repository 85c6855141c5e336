"""Tiny but real pictures for the doubles, made without Pillow, and whose picture a PNG is.

A PNG has the wanted size in one colour; its `parameters` chunk holds the text, as A1111 writes it.
"""

import base64
import re
import struct
import zlib

JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////"
    "////////////////wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8A"
    "N//Z"
)
WEBP = base64.b64decode("UklGRhoAAABXRUJQVlA4TA4AAAAvB8ABAAcQEf0PRET/Aw==")


def png(width: int, height: int, parameters: str, *, ballast: int = 0) -> bytes:
    """A PNG of this size; `ballast` bytes in a private chunk make it as large as real ones."""
    try:
        text = _chunk(b"tEXt", b"parameters\0" + parameters.encode("latin-1"))
    except UnicodeEncodeError:
        text = _chunk(b"iTXt", b"parameters\0\0\0\0\0" + parameters.encode())
    rows = (b"\0" + bytes((width + 7) // 8)) * height
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)),
            _chunk(b"PLTE", struct.pack(">I", zlib.crc32(parameters.encode()))[:3]),
            text,
            _chunk(b"teSt", bytes(ballast)) if ballast else b"",
            _chunk(b"IDAT", zlib.compress(rows, 1)),
            _chunk(b"IEND", b""),
        )
    )


def parameters_of(picture: bytes | memoryview | str) -> str:
    """The `parameters` text of a PNG, given as base64 or as it is."""
    raw = picture.encode() if isinstance(picture, str) else bytes(picture)
    data = raw if raw.startswith(b"\x89PNG") else base64.b64decode(raw, validate=True)
    position = 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, content = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        if kind == b"tEXt":
            return content.removeprefix(b"parameters\0").decode("latin-1")
        if kind == b"iTXt":
            return content.removeprefix(b"parameters\0\0\0\0\0").decode()
        position += length + 12
    raise AssertionError("this PNG holds no parameters")


def prompt_of(picture: bytes | memoryview | str) -> str:
    """The prompt that this PNG was painted for."""
    return parameters_of(picture).split("\nNegative prompt:", 1)[0]


def seed_of(picture: bytes | memoryview | str) -> int:
    """The seed that this PNG was painted with."""
    found = re.search(r"Seed: (\d+)", parameters_of(picture))
    assert found is not None
    return int(found[1])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
