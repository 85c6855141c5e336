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
