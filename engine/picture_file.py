"""Pictures as files: PNG, JPEG or WebP bytes that say how they were made, in A1111's infotext."""

from __future__ import annotations

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.task import MODEL, VERSION, Task

FORMATS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}
"""`samples_format` to media type."""
LONGEST = {"png": 1 << 31, "jpg": 65_500, "jpeg": 65_500, "webp": 16_383}
"""Pixels of a side, by `samples_format`: a longer picture is a PNG."""

# Measured on a grainy picture of 512 x 512: level 1 takes 28 ms for 347 KB, 4 takes 35 ms for 318 KB,
# 6 takes 95 ms for 300 KB. Large pictures are where it matters, and there time counts more.
_PNG_LEVEL = 1
_EXIF, _USER_COMMENT = 0x8769, 0x9286
_COMMENT = 65_000
"""Bytes of a comment, which is in Exif: JPEG has room for 64 KB of that."""


def infotext(task: Task) -> str:
    """What A1111 writes below its pictures, so that tools that read theirs read ours."""
    lines = [task.prompt]
    if task.negative_prompt:
        lines.append(f"Negative prompt: {task.negative_prompt}")
    lines.append(
        f"Steps: {task.steps}, Sampler: {task.sampler}, CFG scale: {task.cfg_scale:g}, Seed: {task.seed}, "
        f"Size: {task.width}x{task.height}, Model: {MODEL}, Version: {VERSION}"
    )
    # A lone surrogate is legal in JSON and cannot be written to a file.
    return "\n".join(lines).encode("utf-8", "replace").decode("utf-8")


def encode(picture: Image.Image, text: str, file_format: str = "png") -> bytes:
    """The picture as a file of that `samples_format`; text goes where A1111 puts it."""
    file = io.BytesIO()
    if file_format == "png" or max(picture.size) > LONGEST[file_format]:
        info = PngInfo()
        if text:
            info.add_text("parameters", text)  # Latin-1 as tEXt, anything else as UTF-8 in iTXt
        picture.save(file, "PNG", pnginfo=info, compress_level=_PNG_LEVEL)
        return file.getvalue()
    exif = Image.Exif()
    if text:
        exif.get_ifd(_EXIF)[_USER_COMMENT] = b"UNICODE\0" + _cut(text.encode("utf-16-be"))
    picture.save(file, "WEBP" if file_format == "webp" else "JPEG", quality=85, exif=exif, method=2)
    return file.getvalue()


def _cut(comment: bytes) -> bytes:
    """As much of it as there is room for, in whole letters."""
    return comment[:_COMMENT].decode("utf-16-be", "ignore").encode("utf-16-be")
