"""Recognise a picture by its base64, and whether it is whole, from its two ends. Pure."""

import binascii

from core.backends.a1111.spans import Unreadable

FORMATS = {b"iVBORw0KGgo": "png", b"/9j/": "jpeg", b"UklGR": "webp"}
"""How the base64 of each format begins."""
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
JPEG_END = b"\xff\xd9"
LOOKED_AT = 64
"""Letters of base64 at each end."""


def recognise(text: memoryview) -> tuple[memoryview, str]:
    """The base64 without a `data:` prefix, and its format. Raises Unreadable."""
    head = bytes(text[:LOOKED_AT])
    if head.startswith(b"data:"):  # some relatives
        text = text[head.find(b",") + 1 :]
        head = bytes(text[:LOOKED_AT])
    kind = next((kind for start, kind in FORMATS.items() if head.startswith(start)), None)
    if kind is None:
        raise Unreadable("answered a picture that is no PNG, JPEG or WebP")
    if len(text) % 4:
        raise Unreadable("answered a truncated picture")
    try:
        first = binascii.a2b_base64(head[:16])
        last = binascii.a2b_base64(bytes(text[-LOOKED_AT:]), strict_mode=True)
    except binascii.Error:
        raise Unreadable("answered a picture that is no base64") from None
    if not _is_whole(kind, first, last, len(text) // 4 * 3 - bytes(text[-2:]).count(b"=")):
        raise Unreadable("answered a truncated picture")
    return text, kind


def _is_whole(kind: str, first: bytes, last: bytes, size: int) -> bool:
    if kind == "png":
        return last.endswith(PNG_END)
    if kind == "jpeg":
        return JPEG_END in last
    return size >= 8 + int.from_bytes(first[4:8], "little")  # RIFF tells its own length
