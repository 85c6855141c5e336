"""The tables of words: complete in every language, and what Discord takes as names."""

import re
from string import Formatter

import pytest

from bot.texts import LANGUAGES, has, meanings, say
from core import ERRORS

ENGLISH = LANGUAGES["en"]
NAME = re.compile(r"[-_'\w]{1,32}")
"""Names of commands and options (Discord's documentation, "Application Command Naming")."""


def holes(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_with_the_same_values(language: str) -> None:
    texts = LANGUAGES[language]
    assert set(texts) == set(ENGLISH)
    assert [key for key in texts if not holes(texts[key]) <= holes(ENGLISH[key])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_and_descriptions_are_what_discord_takes(language: str) -> None:
    texts = LANGUAGES[language]
    named = [key.removesuffix(".about") for key in texts if re.fullmatch(r"[a-z_]+\.about", key)]
    assert "imagine" in named
    for key in named:
        assert NAME.fullmatch(texts[key]), key
        assert texts[key] == texts[key].lower(), key
        assert 1 <= len(texts[f"{key}.about"]) <= 100, key
    assert 1 <= len(texts["parameters"]) <= 32
    assert 1 <= len(texts["edit.title"]) <= 45
    assert all(len(text) <= 80 for key, text in texts.items() if key.startswith("button."))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_of_the_core_has_its_words(language: str) -> None:
    assert {f"error.{code}" for code in ERRORS} <= set(LANGUAGES[language])


def test_a_locale_speaks_its_language_and_an_unknown_one_english() -> None:
    assert say("de", "button.again") == "Nochmal"
    assert say("en-GB", "button.again") == "Again"
    assert say("ja", "button.again") == "Again"
    assert has("de", "button.again")
    assert not has("ja", "button.again")
    assert say("de", "eta.seconds", seconds=5) == "etwa 5 s"


def test_labels_are_understood_in_every_language() -> None:
    labels = meanings("label.")
    assert labels["Schritte"] == labels["Steps"] == "steps"
    for texts in LANGUAGES.values():
        own = [text for key, text in texts.items() if key.startswith("label.")]
        assert len(set(own)) == len(own), "two fields of one message cannot share a label"
