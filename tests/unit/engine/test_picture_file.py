"""Files: the infotext goes in and comes out again."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.picture_file import encode, infotext
from engine.task import Task

PICTURE = Image.new("RGB", (16, 8), (200, 100, 50))


def test_the_infotext_is_a1111s() -> None:
    task = Task("a monkey", "blurry", seed=7, cfg_scale=7.5)
    assert infotext(task) == (
        "a monkey\nNegative prompt: blurry\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 7, Size: 512x512, "
        "Model: demo painter, not a diffusion model, Version: sd-b64-api demo engine"
    )


def test_without_a_negative_prompt_there_is_no_line_for_it() -> None:
    assert infotext(Task("a monkey")).split("\n")[1].startswith("Steps: 20, ")


@pytest.mark.parametrize(
    "prompt", ["a monkey", "Ein Äffchen", "帽子をかぶった猿 🐒", "two\nlines", "lone \ud800"]
)
def test_a_png_says_how_it_was_made(prompt: str) -> None:
    text = infotext(Task(prompt))
    with Image.open(io.BytesIO(encode(PICTURE, text))) as picture:
        assert picture.text["parameters"] == text  # type: ignore[attr-defined]
        assert picture.format == "PNG"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_prompt_survives_the_round_trip(prompt: str) -> None:
    text = infotext(Task(prompt))
    with Image.open(io.BytesIO(encode(PICTURE, text))) as picture:
        assert picture.text["parameters"] == text  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "kind"), [("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_other_formats_carry_it_as_a_comment(name: str, kind: str) -> None:
    with Image.open(io.BytesIO(encode(PICTURE, "a 🐒", name))) as picture:
        assert picture.format == kind
        comment = picture.getexif().get_ifd(0x8769)[0x9286]
    assert comment == b"UNICODE\0" + "a 🐒".encode("utf-16-be")


@pytest.mark.parametrize("name", ["jpg", "webp", "png"])
def test_any_prompt_fits_into_any_format(name: str) -> None:
    """JPEG has room for 64 KB beside the picture; what is cut off is the end."""
    text = infotext(Task("a 🐒 " * 20_000))
    with Image.open(io.BytesIO(encode(PICTURE, text, name))) as picture:
        comment = picture.getexif().get_ifd(0x8769).get(0x9286, b"")
        told = comment[8:].decode("utf-16-be") or picture.text["parameters"]  # type: ignore[attr-defined]
    assert text.startswith(told)
    assert len(told) > 20_000


@pytest.mark.parametrize("name", ["jpg", "webp", "png"])
def test_what_is_too_long_for_a_format_is_a_png(name: str) -> None:
    """JPEG ends at 65,500 pixels and WebP at 16,383; clients tell a format by how it begins."""
    with Image.open(io.BytesIO(encode(Image.new("RGB", (65_536, 8)), "", name))) as picture:
        assert (picture.format, picture.size) == ("PNG", (65_536, 8))
