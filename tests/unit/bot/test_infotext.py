"""What a picture says of itself, taken apart."""

from bot.infotext import cfg_scale_in, infotext_of, prompts_in
from core import ImageRequest


def test_the_parts_of_a_pictures_own_words() -> None:
    text = "a cat\nin two lines\nNegative prompt: rain\nSteps: 20, Sampler: Euler, CFG scale: 6.5, Seed: 1"
    assert prompts_in(text) == ("a cat\nin two lines", "rain")
    assert cfg_scale_in(text) == 6.5
    assert prompts_in("a cat\nSteps: 20, Seed: 1") == ("a cat", "")
    assert cfg_scale_in("a cat\nSteps: 20, Seed: 1") is None
    assert prompts_in("no more than this") == ("no more than this", "")


def test_a_prompt_that_was_a_pictures_own_words_comes_back_whole() -> None:
    """As people paste them into a form."""
    pasted = "a cat\nNegative prompt: a dog\nSteps: 50, CFG scale: 12"
    assert prompts_in(infotext_of(ImageRequest(prompt=pasted))) == (pasted, "")
    painted = f"{pasted}\nNegative prompt: rain\nSteps: 20, CFG scale: 5, Seed: 1"
    assert prompts_in(painted) == (pasted, "rain")
    assert cfg_scale_in(painted) == 5.0
