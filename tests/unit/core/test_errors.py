"""Errors: the tree that the module draws is the one that there is."""

import re

import pytest

from core import errors
from core.errors import ERRORS, QueueFull, SdError, UnknownModel
from core.events import Failed


def test_the_tree_in_the_docstring_shows_every_error_with_its_code() -> None:
    drawn = dict(re.findall(r"^ +\+-- (\w+) +(\w+) ", errors.__doc__ or "", re.MULTILINE))
    assert drawn == {error.__name__: code for code, error in ERRORS.items()}


@pytest.mark.parametrize("error", ERRORS.values())
def test_each_error_is_a_leaf_with_a_docstring(error: type[SdError]) -> None:
    assert error.__doc__
    assert not error.__subclasses__() or all(
        sub.__module__.startswith("core.backends") for sub in error.__subclasses__()
    )


def test_an_error_says_when_to_try_again_where_that_helps() -> None:
    assert QueueFull("full").retry_after == 5
    assert QueueFull("full", retry_after=9).retry_after == 9
    assert SdError("x").retry_after is None


def test_an_unknown_model_names_those_that_exist() -> None:
    assert str(UnknownModel("x", ["anime", "photo"])).endswith("'x'; models that exist: anime, photo")
    assert str(UnknownModel("x", [])).endswith("models that exist: none")


def test_a_sentence_names_a_few_of_very_many_models_and_says_how_many_there_are() -> None:
    error = UnknownModel("x", [f"model {number}" for number in range(500)])
    assert str(error).endswith("model 18, model 19 and 480 more")
    assert len(error.models) == 500, "a program may know all of them"


@pytest.mark.parametrize("error", ERRORS.values())
def test_an_error_becomes_an_event_and_an_error_again(error: type[SdError]) -> None:
    event = Failed(error.code, "a sentence", 7.0)
    again = event.as_error()
    assert type(again) is error
    assert (again.message, again.retry_after, str(again)) == ("a sentence", 7.0, "a sentence")
    assert Failed.of(again) == event


def test_a_code_that_is_not_known_here_is_a_fault_of_ours() -> None:
    assert Failed("from the future", "x").as_error().code == "internal"
