"""Reading a prompt: what it asks for, and what it leaves to chance."""

import pytest

from engine.palette import COLOURS
from engine.task import Task
from engine.words import Plan, read, words_of


def plan(prompt: str, negative: str = "") -> Plan:
    return read(Task(prompt, negative))


def test_a_monkey_with_a_hat_is_a_monkey_with_a_hat() -> None:
    reading = plan("a monkey with a hat")
    assert reading.subject == "monkey"
    assert "hat" in reading.extras
    assert reading.place is None


def test_plurals_synonyms_case_and_accents_are_understood() -> None:
    assert plan("KITTENS").subject == "cat"
    assert plan("Puppies").subject == "dog"
    assert plan("chimpanzees, smiling").subject == "monkey"
    assert plan("forêt; FORÉST").place == "forest"


def test_a_part_of_a_cat_is_at_no_party() -> None:
    assert "party" not in plan("part of a cat").extras
    assert "party" in plan("a cat at parties").extras


def test_a_verb_is_no_plural() -> None:
    reading = plan("a monkey that hates rain stares at the sea")
    assert (reading.hour, "stars" in reading.extras, "hat" in reading.extras) == ("storm", False, False)
    assert [plan(words).subject for words in ("foxes", "lionesses")] == ["fox", "lion"]
    assert [plan(words).place for words in ("beaches", "volcanoes")] == ["sea", "mountains"]


def test_things_of_two_words_are_one_thing_also_with_a_hyphen() -> None:
    for prompt in ("a castle at golden hour", "a castle, golden-hour light"):
        assert (plan(prompt).hour, plan(prompt).tint) == ("sunset", None)
    assert "tophat" in plan("a cat with a top-hat").extras


def test_place_and_hour_are_found() -> None:
    reading = plan("a sailboat on the ocean at sunrise")
    assert (reading.subject, reading.place, reading.hour) == ("boat", "sea", "dawn")


def test_a_subject_brings_its_home_unless_the_prompt_says_another() -> None:
    assert plan("a fish").place == "underwater"
    assert plan("a lighthouse in the desert").place == "desert"


def test_the_milky_way_over_mountains_is_a_night_on_earth() -> None:
    reading = plan("milky way over the mountains")
    assert (reading.place, reading.hour) == ("mountains", "night")


def test_a_colour_belongs_to_the_noun_after_it_else_to_the_picture() -> None:
    reading = plan("a black cat with a red hat")
    assert reading.subject_colour == COLOURS["black"]
    assert reading.extra_colour == COLOURS["red"]
    assert reading.tint is None
    assert plan("everything in blue").tint == COLOURS["blue"]


def test_a_role_gives_way_to_an_animal() -> None:
    reading = plan("a wizard bear")
    assert reading.subject == "bear"
    assert "wizard" in reading.extras


def test_what_the_negative_prompt_names_is_left_out() -> None:
    reading = plan("a cat with a hat", "hat, blurry")
    assert reading.subject == "cat"
    assert "hat" not in reading.extras


def test_weights_and_loras_are_not_words() -> None:
    assert words_of("(a monkey:1.3) <lora:catStyle:0.8> [hat]") == ["a", "monkey", "hat"]


@pytest.mark.parametrize("run", ["<", "\u0301\u0327", "\u0f73", "a", "red "])
def test_a_long_prompt_is_read_at_once(run: str) -> None:
    """Also one of brackets that nothing closes, or of accents out of order: compared with all others of them,
    each would take longer than the one before, and this minutes."""
    assert plan(run * (400_000 // len(run)) + " cat").subject == "cat"


def test_seed_prompt_and_negative_prompt_make_the_key() -> None:
    tasks = [Task("a"), Task("b"), Task("a", seed=1), Task("a", negative_prompt="b")]
    assert len({read(task).key for task in tasks}) == len(tasks)
    assert read(Task("a")).key == read(Task("a", width=64)).key


def test_an_empty_prompt_has_a_plan() -> None:
    assert plan("").subject is None
