"""Pictures as files: what fits is left alone, what does not is made to, and its parameters stay with it."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot import pictures
from bot.pictures import decode, fit, format_of, read_parameters
from tests.doubles.pictures import JPEG, WEBP, png

TEXT = "a monkey ☂\nSteps: 20, Seed: 7"


def noise(side: int = 256, text: str = TEXT, format: str = "PNG") -> bytes:
    """A picture that no format packs well."""
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    info, file = PngInfo(), io.BytesIO()
    info.add_text("parameters", text)
    Image.fromarray(pixels).save(file, format, **({"pnginfo": info} if format == "PNG" else {}))
    return file.getvalue()


def test_base64_is_decoded_in_slices() -> None:
    data = bytes(range(256)) * 3000
    assert decode(base64.b64encode(data)) == data
    assert decode(memoryview(base64.b64encode(b"x"))) == b"x"


def test_a_picture_that_fits_is_not_touched() -> None:
    data = noise()
    file = fit(data, len(data))
    assert (file.data, file.format, file.reencoded) == (data, "png", False)


def test_a_loosely_packed_png_is_packed_tighter() -> None:
    data = png(512, 512, "a monkey", ballast=100_000)
    file = fit(data, 50_000)
    assert (file.format, file.reencoded) == ("png", True)
    assert len(file.data) <= 50_000
    assert read_parameters(file.data) == "a monkey"


@pytest.mark.parametrize("most", [150_000, 60_000, 12_000])
def test_a_large_picture_is_made_to_fit_and_keeps_its_parameters(most: int) -> None:
    file = fit(noise(), most)
    assert len(file.data) <= most
    assert (file.format, file.reencoded) == ("webp", True)
    assert format_of(file.data) == "webp"
    assert read_parameters(file.data) == TEXT


def test_what_cannot_fit_comes_as_small_as_can_be() -> None:
    assert len(fit(noise(), 10).data) < 5_000


def test_other_formats_fit_as_well() -> None:
    file = fit(noise(512, format="BMP"), 200_000)
    assert len(file.data) <= 200_000


@pytest.mark.parametrize("data", [b"", b"no picture", JPEG[:40], JPEG, WEBP])
def test_what_says_nothing_of_itself_says_nothing(data: bytes) -> None:
    assert read_parameters(data) == ""


def test_what_is_no_picture_is_left_as_it_is() -> None:
    """Whoever sends it finds out that it is too large; a job must not fail for ever by it."""
    assert fit(b"no picture" * 9, 10).data == b"no picture" * 9
    assert fit(noise()[:1000], 10).data == noise()[:1000]


def test_a_strangers_picture_is_not_unpacked_beyond_all_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 40 KB may hold 36 million pixels. Its texts before the pixels are read all the same."""
    info, file = PngInfo(), io.BytesIO()
    info.add_text("parameters", TEXT)
    Image.new("L", (6000, 6000)).save(file, "PNG", pnginfo=info)
    monkeypatch.setattr("PIL.Image.core.zip_decoder", None)
    assert read_parameters(file.getvalue()) == TEXT


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What Pillow was made to unpack, or to have unpacked by Ghostscript."""
    asked: list[object] = []

    def refuse(*what: object) -> None:
        asked.append(what)
        raise OSError("not here")

    monkeypatch.setattr("PIL.Image.core.zip_decoder", refuse)
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", refuse)
    return asked


def test_a_strangers_large_picture_that_says_nothing_is_not_unpacked_either(unpacked: list[object]) -> None:
    """Pillow looks for a PNG's EXIF behind its pixels, once it is asked for any."""
    file = io.BytesIO()
    Image.new("L", (6000, 6000)).save(file, "PNG")
    assert read_parameters(file.getvalue()) == ""
    assert unpacked == []


@pytest.mark.parametrize(("format", "options"), [("ICO", {"bitmap_format": "png"}), ("EPS", {})])
def test_of_strangers_pictures_only_the_formats_that_are_wanted_are_opened(
    format: str, options: dict[str, str], unpacked: list[object]
) -> None:
    """An ICO is unpacked before its size is known, and an EPS is a program."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, format, **options)
    assert read_parameters(file.getvalue()) == ""
    assert unpacked == []


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_a_strangers_exif_that_is_cut_off_says_nothing(format: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format, exif=b"Exif\0\0II*\0")
    assert read_parameters(file.getvalue()) == ""


def test_the_words_of_other_programs_are_read_too() -> None:
    info, file = PngInfo(), io.BytesIO()
    info.add_itxt("prompt", '{"3": {}}')
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    assert read_parameters(file.getvalue()) == 'prompt: {"3": {}}'
    assert read_parameters(png(8, 8, "a cat")) == "a cat"


def test_what_would_be_read_byte_by_byte_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow goes through such a file in Python, and holds the interpreter's lock for most of a minute."""
    given: list[int] = []

    def opened(file: io.BytesIO, formats: tuple[str, ...]) -> Image.Image:
        given.append(len(file.getvalue()))
        return open_it(file, formats=formats)

    open_it = Image.open
    monkeypatch.setattr(Image, "open", opened)
    assert read_parameters(b"\xff\xd8" + b"\xff" * 10_000_000) == ""
    assert given == [pictures.MOST_BEFORE_PIXELS]
    text = b"\0\0\0\1tEXta" + zlib.crc32(b"tEXta").to_bytes(4)
    head, end = png(8, 8, "a cat")[:33], png(8, 8, "a cat")[33:]
    assert read_parameters(head + text * 100 + end) == "a cat"
    assert read_parameters(head + text * 10_000 + end) == ""
    assert len(given) == 2


def test_a_large_jpeg_says_what_it_says_at_its_beginning() -> None:
    noise = Image.effect_noise((1500, 1500), 90)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a cat".encode("utf-16-be")
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=95, exif=exif)
    assert len(file.getvalue()) > 2 * pictures.MOST_BEFORE_PIXELS
    assert read_parameters(file.getvalue()) == "a cat"
