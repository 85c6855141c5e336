"""A server's lists, and the names that it has for one model."""

import pytest

from core.backends.a1111.lists import model_called, models_called, models_painting

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
    assert model_called(name, MODELS) == known


def test_two_may_be_meant_by_one_name() -> None:
    assert models_called("twin", MODELS) == {"v1_twin", "xl_twin"}


@pytest.mark.parametrize("models", [None, {}, "x", [], [None]])
def test_without_a_list_nothing_is_known(models: object) -> None:
    assert model_called("alpha", models) is None


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
    assert models_painting(name, models) == known
