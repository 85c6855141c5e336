"""A txt2img answer's bytes become pictures; the fast path reads what the JSON parser reads, or leaves it."""

import base64
import json
import random
import zlib
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from core.backends.a1111 import answer
from core.backends.a1111.answer import (
    LONGEST_METADATA,
    MOST_IMAGES,
    MOST_INFO,
    Metadata,
    longest_answer,
    parse_images,
    read_answer,
    split_images,
)
from core.errors import BackendError
from core.events import Completed
from core.request import ImageRequest
from core.wire import images_answer
from tests.doubles.pictures import JPEG, WEBP, png

PNG = base64.b64encode(png(64, 64, "a cat")).decode()
BASE64 = st.binary(max_size=90).map(lambda content: base64.b64encode(content).decode())
ODD = st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


def read(words: Any, **request: Any) -> Completed:
    body = words if isinstance(words, bytes) else json.dumps(words).encode()
    return read_answer(body, ImageRequest(prompt="a cat", **request), 7, "gpu:1", 1.5)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@given(
    images=st.lists(BASE64 | ODD, max_size=4),
    rest=st.dictionaries(st.sampled_from(["info", "parameters", "images", "x"]), SCALARS | st.just([])),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    cut=st.integers(0, 3),
    odd=st.none() | st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=2)),
    longest_metadata=st.integers(0, 60) | st.just(LONGEST_METADATA),
)
def test_what_the_fast_path_accepts_it_reads_as_the_parser_does(
    images: list[str],
    rest: dict[str, Any],
    indent: int | None,
    ascii_only: bool,
    cut: int,
    odd: tuple[int, bytes] | None,
    longest_metadata: int,
) -> None:
    """Whatever an encoder wrote: whole, cut off, with odd bytes in it, with a second `images` or without.

    And wherever the end of the last picture is looked for first.
    """
    text = json.dumps({"images": images, **rest}, indent=indent, ensure_ascii=ascii_only)
    if "images" in rest:  # an object may say a key twice; parsers take the last
        text = text[:-1].rstrip() + f', "images": {json.dumps(images)}}}'
    body = text[: len(text) - cut].encode()
    if odd is not None:
        body = body[: odd[0]] + odd[1] + body[odd[0] :]
    try:
        with patch.object(answer, "LONGEST_METADATA", longest_metadata):
            fast = split_images(body)
    except ValueError:
        assert not _is_json(body)
        return
    if fast is not None:
        spans, others = fast
        whole = json.loads(body)
        assert [bytes(span).decode() for span in spans] == whole.pop("images")
        assert others == Metadata(info=whole.get("info"))
        assert [bytes(span) for span in spans] == [bytes(span) for span in parse_images(body)[0]]


def test_the_picture_is_a_span_of_the_body_and_never_copied() -> None:
    large = base64.b64encode(png(64, 64, "a cat", ballast=1_000)).decode()
    body = json.dumps({"images": [large], "info": ""}).encode()
    picture = read(body).images[0].base64
    assert isinstance(picture, memoryview)
    assert picture.obj is body


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize(("side", "letters"), [(512, 1), (64, 10_000)])
def test_no_honest_answer_is_longer_than_is_read(side: int, letters: int, count: int) -> None:
    """The longest of them: noise with transparency, a grid of all, and prompts of nothing but emoji."""
    prompt = "\U0001f408" * letters
    noise = random.Random(1).randbytes(4 * side * side)
    picture = base64.b64encode(zlib.compress(noise) + prompt.encode()).decode()
    info = {"prompt": prompt, "all_prompts": [prompt] * count, "infotexts": [prompt] * (count + 1)}
    words = {"images": [picture] * 2 * count, "parameters": {"prompt": prompt}, "info": json.dumps(info)}
    with patch.object(answer, "BESIDE", 16_384):
        longest = longest_answer(ImageRequest(prompt=prompt, width=side, height=side, batch_size=count))
    assert len(json.dumps(words)) < longest


@pytest.mark.parametrize(
    ("images", "more"),
    [([PNG], {"parameters": "x" * 30_000}), ([PNG], {"x": "x" * len(PNG)}), ([PNG, PNG, PNG], {})],
)
def test_nothing_large_is_kept_in_memory_beside_the_pictures(images: list[str], more: dict[str, Any]) -> None:
    """What is kept is counted by its pictures: they are copied out of it, a grid, too, is let go of."""
    body = json.dumps({"images": images, **more}).encode()
    completed = read(body, batch_size=2)
    for image in completed.images:
        assert isinstance(image.base64, memoryview)
        assert bytes(image.base64) == bytes(image.base64.obj) == PNG.encode()


def test_no_more_of_an_infotext_is_kept_than_is_told_of_a_prompt() -> None:
    info = json.dumps({"infotexts": ["a cat" + "x" * 100_000]})
    assert len(read({"images": [PNG], "info": info}).images[0].infotext) == LONGEST_METADATA + len("a cat")


def test_info_tells_seeds_model_sampler_and_infotexts() -> None:
    info = {
        "seed": 7,
        "all_seeds": [7, 8],
        "infotexts": ["one", "two"],
        "sd_model_name": "alpha",
        "sampler_name": "Euler",
        "width": 64,
        "height": 72,
    }
    completed = read({"images": [PNG, PNG], "info": json.dumps(info)}, batch_size=2)
    assert [(image.seed, image.infotext) for image in completed.images] == [(7, "one"), (8, "two")]
    assert (completed.model, completed.sampler_name) == ("alpha", "Euler")
    assert (completed.width, completed.height) == (64, 72)


@pytest.mark.parametrize(
    "info",
    ["", "no json", "[1]", None, 5, {"seed": "x", "all_seeds": 3}, {"seed": 1 << 63, "width": 10**23}],
)
def test_without_a_readable_info_the_request_tells(info: object) -> None:
    completed = read({"images": [PNG], "info": info}, model="beta", width=64)
    assert (completed.images[0].seed, completed.model, completed.width) == (7, "beta", 64)


@pytest.mark.parametrize("name", ["x" * 201, "al\x1b[2Jpha"])
def test_a_name_that_is_none_is_not_told_on(name: str) -> None:
    completed = read({"images": [PNG], "info": {"sd_model_name": name, "sampler_name": name}})
    assert completed.model is completed.sampler_name is None


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("begins", ["images", "info"])
def test_nothing_is_read_of_an_info_without_end(begins: str, as_text: bool) -> None:
    """It takes many times as much memory once it is read; the picture is told on."""
    info = {"sd_model_name": "alpha", "infotexts": [{}] * (MOST_INFO // 3)}
    words = {"images": [PNG], "info": json.dumps(info) if as_text else info}
    completed = read({begins: words[begins], **words})
    assert (bytes(completed.images[0].base64).decode(), completed.model) == (PNG, None)


def test_a_grid_before_the_pictures_of_a_batch_is_dropped() -> None:
    other = base64.b64encode(png(64, 64, "the grid")).decode()
    completed = read({"images": [other, PNG, PNG]}, batch_size=2)
    assert [bytes(image.base64).decode() for image in completed.images] == [PNG, PNG]


@given(
    info=st.dictionaries(
        st.sampled_from(
            ["seed", "all_seeds", "infotexts", "width", "steps", "sd_model_name", "sampler_name"]
        ),
        SCALARS
        | st.floats()
        | st.integers(2**60, 2**70)
        | st.lists(SCALARS | st.integers(2**60), max_size=3),
    ),
    as_text=st.booleans(),
)
def test_whatever_info_says_can_be_told_on(info: dict[str, Any], as_text: bool) -> None:
    """A server may say what it likes beside its pictures: they are delivered, as JSON."""
    try:
        text = json.dumps(info, allow_nan=as_text)  # Python's way to write it; no JSON holds it
    except ValueError:
        reject()
    completed = read({"images": [PNG, PNG], "info": text if as_text else info}, batch_size=2)
    words = json.loads(b"".join(images_answer(completed, "id")))
    assert words["image-base64"] == words["further-images-base64"][0] == PNG
    assert all(seed >= 0 for seed in words["seeds"])


@pytest.mark.parametrize(("begin", "count"), [(0, 1), (1, 1), (0, 2), (1, 2)])
def test_where_the_pictures_begin_is_the_server_s_word(begin: int, count: int) -> None:
    """A grid before them, or what an extension adds behind them, is never given out as the picture."""
    pictures = [base64.b64encode(png(64, 64, name)).decode() for name in ("zero", "one", "two", "three")]
    info = {"index_of_first_image": begin, "infotexts": ["0", "1", "2", "3"], "all_seeds": [7, 8]}
    completed = read({"images": pictures, "info": json.dumps(info)}, batch_size=count)
    assert [bytes(image.base64).decode() for image in completed.images] == pictures[begin : begin + count]
    assert [image.infotext for image in completed.images] == ["0", "1", "2", "3"][begin : begin + count]
    assert [image.seed for image in completed.images] == [7, 8][:count]


@pytest.mark.parametrize("begin", [9, -1, "x", None, True])
def test_a_place_that_cannot_be_is_not_believed(begin: object) -> None:
    """There are always as many pictures as were asked for."""
    info = json.dumps({"index_of_first_image": begin})
    assert len(read({"images": [PNG, PNG, PNG], "info": info}, batch_size=2).images) == 2


@pytest.mark.parametrize(("content", "format"), [(JPEG, "jpeg"), (WEBP, "webp"), (png(8, 8, ""), "png")])
@pytest.mark.parametrize("prefix", ["", "data:image/x;base64,"])
def test_formats_are_told_by_the_first_bytes(content: bytes, format: str, prefix: str) -> None:
    image = read({"images": [prefix + base64.b64encode(content).decode()]}).images[0]
    assert (image.format, base64.b64decode(image.base64)) == (format, content)


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_base64_in_lines_is_joined(line_break: str) -> None:
    """MIME's lines: in our own JSON they would be no JSON."""
    lines = line_break.join(PNG[begin : begin + 76] for begin in range(0, len(PNG), 76))
    completed = read({"images": [lines + line_break]})
    assert json.loads(b"".join(images_answer(completed, "id")))["image-base64"] == PNG


@pytest.mark.parametrize("odd", ['","x":"y', "\\n\\n", "\x00\x01\x02\x03", "éé"])
def test_a_picture_s_text_never_breaks_out_of_our_json(odd: str) -> None:
    assert len(odd.encode()) % 4 == 0
    images = {"images": [PNG[:40] + odd + PNG[40:]]}
    for words in (images, {"info": "", **images}):
        with pytest.raises(BackendError, match="no JSON of A1111"):
            read(json.dumps(words, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON"),
        (b'{"images":["' + PNG.encode()[:40], "no JSON"),
        ({"images": []}, "without a picture"),
        ({"parameters": {}}, "without a picture"),
        ({"images": [5]}, "no JSON"),
        ({"images": [PNG[:-8]]}, "truncated"),
        ({"images": [PNG[:-1]]}, "truncated"),
        ({"images": [PNG[:-4] + "!!!!"]}, "truncated"),
        ({"images": [base64.b64encode(JPEG[:-3]).decode()]}, "truncated"),
        ({"images": [base64.b64encode(WEBP[:-3]).decode()]}, "truncated"),
        ({"images": ["UklGR~" + base64.b64encode(WEBP + bytes(300)).decode()[6:]]}, "truncated"),
        (b'{"images":["' + PNG[:40].encode() + b"\x01" + PNG[40:].encode() + b'"]}', "no JSON"),
        (b'{"images":["' + PNG.encode() + b'",]}', "no JSON"),
        (b'{"images":["' + PNG.encode() + b'"].5}', "no JSON"),
        ({"images": [PNG] * (MOST_IMAGES + 1)}, "no JSON"),
        ({"info": "", "images": [PNG] * (MOST_IMAGES + 1)}, "no JSON"),
        (b'{"images":\x0b["' + PNG.encode() + b'"]}', "no JSON"),
        ({"images": [""]}, "without a picture"),
        ({"images": [PNG, ""]}, "without a picture"),
        ({"images": ["aGVsbG8="]}, r"neither PNG, JPEG nor WebP; set .*samples_format\) to png"),
    ],
)
def test_what_holds_no_whole_picture_is_a_fault_of_the_backend(words: Any, reason: str) -> None:
    with pytest.raises(BackendError, match=rf"gpu:1: .*{reason}"):
        read(words)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_what_python_writes_and_json_has_not_costs_no_infotext(odd: float) -> None:
    """A server writes its `info` with Python's own writer, extensions and all."""
    info = json.dumps({"infotexts": ["a cat"], "sd_model_name": "alpha", "seed": odd, "denoising": odd})
    completed = read({"images": [PNG], "info": info})
    assert (completed.images[0].infotext, completed.model) == ("a cat", "alpha")
    assert type(completed.images[0].seed) is int


def test_half_a_character_in_info_is_not_told_on_and_costs_nothing_else() -> None:
    """Python reads and writes it, and nobody can hand it on: from a name of a file that is no UTF-8, say."""
    other = base64.b64encode(png(64, 64, "what an extension adds")).decode()
    info = {"infotexts": ["a \udce9t\udce9", ""], "index_of_first_image": 0, "sd_model_name": "alpha"}
    for words in (info, {**info, "denoising": float("nan")}):
        completed = read({"images": [PNG, other], "info": json.dumps(words)})
        assert bytes(completed.images[0].base64).decode() == PNG
        assert (completed.images[0].infotext, completed.model) == ("a ?t?", "alpha")


def test_the_text_of_a_grid_is_dropped_with_it() -> None:
    info = json.dumps({"infotexts": ["the grid", "one", "two"]})
    completed = read({"images": [PNG, PNG, PNG], "info": info}, batch_size=2)
    assert [image.infotext for image in completed.images] == ["one", "two"]


def test_an_answer_that_is_nested_without_end_is_the_servers_fault() -> None:
    """Also in what nobody reads: the job is tried again elsewhere."""
    with pytest.raises(BackendError, match="no JSON of A1111"):
        read(b'{"images":["a"],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_each_picture_of_a_batch_may_have_been_enlarged() -> None:
    """Four of 512x512, each made 2048x2048, were refused where one was taken."""
    enlarged = 11_000_000
    for count in (1, 4, 8):
        assert longest_answer(ImageRequest(prompt="a", batch_size=count)) > count * enlarged
