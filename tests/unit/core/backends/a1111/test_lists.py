"""A server's lists, and the names that it has for one model."""

import pytest

from core.backends.a1111.lists import (
    LONGEST_TITLE,
    MOST_NAMES,
    is_name,
    model_called,
    models_called,
    models_of,
    models_painting,
    sampler_names,
)
from core.request import LONGEST_NAME

MODELS = [
    {"title": "alpha.safetensors", "model_name": "alpha"},
    {"title": "xl/beta.safetensors [0123456789]", "model_name": "xl_beta"},
    {"title": "xl/twin.ckpt", "model_name": "xl_twin"},
    {"title": "v1/twin.ckpt", "model_name": "v1_twin"},
    "no entry",
    {"title": None},
]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("alpha", "alpha"),
        ("alpha.safetensors [abcdef0123]", "alpha"),  # it got its hash after the list was read
        ("xl/beta.safetensors [0123456789]", "xl_beta"),
        ("beta", "xl_beta"),
        ("xl/twin.ckpt", "xl_twin"),
        ("xl/twin.ckpt [abcdef0123]", "xl_twin"),
        ("xl\\twin.ckpt", "xl_twin"),
        ("twin", None),
        ("gamma", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_a_model_is_known_by_each_of_its_names(name: object, known: str | None) -> None:
    assert model_called(name, models_of(MODELS)) == known


def test_two_may_be_meant_by_one_name() -> None:
    assert models_called("twin", models_of(MODELS)) == {"v1_twin", "xl_twin"}


@pytest.mark.parametrize("models", [None, {}, "x", [], [None]])
def test_without_a_list_nothing_is_known(models: object) -> None:
    assert model_called("alpha", models_of(models)) is None


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("beta", {"xl_beta", "beta"}),
        ("xl_beta", {"xl_beta"}),
        ("xl/beta", {"xl_beta"}),
        ("twin", {"v1_twin", "xl_twin"}),
        ("gamma", set()),
        (None, set()),
    ],
)
def test_a_picture_may_be_by_any_model_of_that_name(name: object, known: set[str]) -> None:
    models = [*MODELS, {"title": "beta.safetensors", "model_name": "beta"}]
    assert models_painting(name, models_of(models)) == known


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * (LONGEST_NAME + 1),
        "al\x1b[2Jpha",
        "al\npha",
        "al\x9b31mpha",
        "al\u202epha",
        None,
        5,
        ["alpha"],
    ],
)
def test_what_no_client_could_ask_for_and_no_terminal_show_is_not_offered(name: object) -> None:
    assert models_of([{"model_name": name}, {"model_name": "beta"}]) == (("beta", "beta"),)
    assert sampler_names([{"name": name}, {"name": "Euler"}]) == ("Euler",)


@pytest.mark.parametrize("name", ["x" * LONGEST_NAME, "Ünï\u3000côde\u00a0猫 🐈", "क्\u200dष", "👩\u200d🎨"])
def test_a_name_of_any_language_is_one(name: str) -> None:
    assert is_name(name)


def test_only_so_many_names_are_offered_and_no_more_of_a_title_is_read_than_it_needs() -> None:
    words = [{"model_name": f"m{n}", "name": f"s{n}", "title": "x" * 10_000} for n in range(MOST_NAMES + 1)]
    models, samplers = models_of(words), sampler_names(words)
    assert [model.name for model in models] == [f"m{n}" for n in range(MOST_NAMES)]
    assert samplers == tuple(f"s{n}" for n in range(MOST_NAMES))
    assert {len(model.title) for model in models} == {LONGEST_TITLE}
