"""What comes from outside becomes an ImageRequest, or an InvalidRequest that names the field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest
from core.request import FIELDS, ImageRequest, Limits, parse_request

LIMITS = Limits(max_prompt=20, max_pixels=512 * 512, max_steps=50, max_batch=4)


def parse(prompt: object = "a monkey", **fields: object) -> ImageRequest:
    return parse_request(prompt, fields, LIMITS)


def test_a_prompt_is_all_that_is_needed() -> None:
    assert parse("a monkey with a hat") == ImageRequest(prompt="a monkey with a hat")


@pytest.mark.parametrize(("pixels", "side"), [(4096, 64), (65_536, 256), (262_143, 504), (262_144, 512)])
def test_what_is_not_given_is_within_the_limits(pixels: int, side: int) -> None:
    """Else a plain prompt would be refused for a size that nobody named, or take longer than is allowed."""
    request = parse_request("a monkey", {}, Limits(max_pixels=pixels, max_steps=10))
    assert (request.width, request.height, request.steps) == (side, side, 10)


def test_the_prompt_is_taken_as_it_was_written() -> None:
    assert parse('  "a monkey"\n').prompt == '  "a monkey"\n'


def test_words_of_a_query_and_values_of_json_mean_the_same() -> None:
    words = parse(steps="30", width="256", height="512", cfg_scale="7.5", seed="42", batch_size="2")
    values = parse(steps=30, width=256.0, height=512, cfg_scale=7.5, seed=42, batch_size=2)
    assert words == values
    assert isinstance(words.steps, int)
    assert isinstance(values.width, int)


def test_what_is_null_was_not_given() -> None:
    assert parse(steps=None, model=None) == parse()


def test_an_empty_name_leaves_the_choice_to_the_server() -> None:
    assert parse(model="  ", sampler_name="").model is None
    assert parse(model=" anime ", sampler_name="Euler").model == "anime"


ALLOWED: list[tuple[str, list[Any]]] = [
    ("negative_prompt", ["", "x" * 20]),
    ("steps", [1, 50]),
    ("width", [64, 512]),
    ("height", [64, 512]),
    ("cfg_scale", [0, 30, 7.25]),
    ("sampler_name", ["x" * 200]),
    ("seed", [-1, 0, 2**32 - 1]),
    ("batch_size", [1, 4]),
    ("model", ["x" * 200]),
]
REFUSED: list[tuple[str, list[Any]]] = [
    ("negative_prompt", ["x" * 21, 7, "\ud83d"]),
    ("steps", [0, 51, -1, 1.5, "many", "", True, [], {}, "nan", "inf", float("nan"), 10**400, "1_0"]),
    ("width", [56, 63, 65, 4104, 100.5, "512px"]),
    ("height", [0, 66, 1 << 70]),
    ("cfg_scale", [-0.1, 30.1, "inf", "NaN", False]),
    ("sampler_name", ["x" * 201, 1]),
    ("seed", [-2, 2**32, 0.5, "9" * 40]),
    ("batch_size", [0, 5, "two"]),
    ("model", ["x" * 201, ["anime"]]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ALLOWED for value in values])
def test_a_value_within_its_limits_is_taken(name: str, value: Any) -> None:
    assert getattr(parse(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED for value in values])
def test_a_value_beyond_its_limits_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(**{name: value})
    assert refused.value.field == name
    assert refused.value.message.startswith(f"{name}: ")


@pytest.mark.parametrize("prompt", [None, "", " \n", 7, ["a monkey"], "x" * 21, "\udc00"])
def test_a_prompt_that_cannot_be_painted_is_refused_as_input(prompt: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^input: ") as refused:
        parse(prompt)
    assert refused.value.field == "input"


def test_a_prompt_brings_no_parameters_of_its_own() -> None:
    """stable-diffusion.cpp's server would take them out of it, and paint eight pictures for one; what it
    reads no parameters in is a text as any other."""
    tag = "sd_cpp_extra_args"
    for prompt in (f'a monkey <{tag}>{{"width": 4096, "batch_count": 8}}</{tag}>', f"<{tag}>"):
        with pytest.raises(InvalidRequest, match=rf"^input: <{tag}> is not let through") as refused:
            parse_request(prompt, {}, Limits())
        assert refused.value.field == "input"
    assert parse_request(tag, {"negative_prompt": f"<{tag}>"}, Limits()).prompt == tag


def test_the_whole_area_is_limited_and_not_only_the_sides() -> None:
    assert parse(width=1024, height=256).cost == 1
    with pytest.raises(InvalidRequest, match="at most 262144") as refused:
        parse(width=520, height=512)
    assert refused.value.field == "width"


def test_an_unknown_parameter_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        InvalidRequest, match=r"script_name: no such parameter; there are: .*steps"
    ) as refused:
        parse(script_name="x")
    assert refused.value.field == "script_name"


@pytest.mark.parametrize(
    ("fields", "cost"),
    [({}, 1), ({"steps": 40}, 2), ({"batch_size": 4}, 4), ({"width": 256, "height": 256}, 0.25)],
)
def test_cost_is_pictures_times_steps_times_pixels(fields: dict[str, int], cost: float) -> None:
    assert parse(**fields).cost == cost


def test_the_smallest_pictures_are_not_for_nothing() -> None:
    """No server paints 1,280 of them while it paints an ordinary one, as steps and pixels would have it."""
    tiny = parse(steps=1, width=64, height=64)
    assert tiny.cost == 1 / 16
    assert parse(steps=1, width=64, height=64, batch_size=4).cost == 4 / 16


def test_what_is_chosen_is_told_without_the_defaults() -> None:
    """So it is the same for a version that knows more parameters, while both serve."""
    assert parse().chosen == {"prompt": "a monkey"}
    assert parse(steps=20, seed=7, model="alpha").chosen == {
        "prompt": "a monkey",
        "seed": 7,
        "model": "alpha",
    }
    extra = ImageRequest(prompt="a", extra={"tiling": True})
    assert extra.chosen == {"prompt": "a", "extra": {"tiling": True}}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text("0123456789.e-", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES, st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), VALUES, max_size=4))
def test_anything_is_a_request_or_an_error_that_names_the_field(
    prompt: object, fields: dict[str, object]
) -> None:
    try:
        request = parse_request(prompt, fields, LIMITS)
    except InvalidRequest as error:
        named: str | None = error.field
    else:
        named = "input"
        assert request.width * request.height <= LIMITS.max_pixels
        assert request.cost > 0
    assert named in {"input", *fields}


@pytest.mark.parametrize("value", [-0.0, "-0", "0"])
def test_a_zero_is_one_zero(value: object) -> None:
    """Its bytes are compared where one key comes twice."""
    assert str(parse(cfg_scale=value).cfg_scale) == "0.0"
