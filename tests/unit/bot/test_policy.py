"""Who may paint what and where."""

import time
from typing import Any

import pytest

from bot.policy import Place, Refused, check_counts, check_place, check_prompt, is_spoiler
from core import ImageRequest, Settings

SERVER = Place(guild=1, channels=(20, 2), roles=(300,), age_restricted=False)
DIRECT = Place(guild=0, channels=(9,), roles=(), age_restricted=False)


@pytest.mark.parametrize(
    ("settings", "place", "reason"),
    [
        ({}, SERVER, None),
        ({}, DIRECT, None),
        ({"discord_channels": (2,)}, SERVER, None),
        ({"discord_channels": (3,)}, SERVER, "refused.channel"),
        ({"discord_channels": (2,)}, DIRECT, "refused.channel"),
        ({"discord_roles": (300, 301)}, SERVER, None),
        ({"discord_roles": (301,)}, SERVER, "refused.role"),
        ({"discord_roles": (300,)}, DIRECT, "refused.role"),
    ],
)
def test_channels_and_roles(settings: dict[str, Any], place: Place, reason: str | None) -> None:
    """A thread counts as its channel; direct messages have neither channel nor role."""
    if reason is None:
        check_place(place, Settings(**settings))
        return
    with pytest.raises(Refused) as refused:
        check_place(place, Settings(**settings))
    assert refused.value.key == reason


@pytest.mark.parametrize(
    ("prompt", "refused"),
    [
        *[("a Blood moon", True), ("bloody", False), ("two words", True), ("c++ code", True)],
        *[("nothing", False), ("lifeblood", False), ("Blutgrätsche", False), ("ablöschen", False)],
        *[("covered_in_blood", True), ("blood_moon", True), ("BLOOD2", True), ("(blood:1.2)", True)],
        *[
            ("in 1988", False),
            ("88", True),
            ("nr_88_", True),
            ("mp5", True),
            ("mp52", False),
            ("mp5k", False),
        ],
        *[("a_b", True), ("a_b_c", True), ("xa_b", False), ("_x_", True), ("1_x_1", True), ("#1", True)],
        *[("c++11", True), ("objc++", False), ("lösch", True)],
    ],
)
def test_words_are_whole_and_in_any_case(prompt: str, refused: bool) -> None:
    """Underscores and numbers, as tags have them, make no other word of one; digits do of a number."""
    words = ("blood", "two words", "C++", "Blut", "88", "mp5", "a_b", "_x_", "#1", "lösch")
    settings = Settings(discord_blocked_words=words)
    if not refused:
        check_prompt(ImageRequest(prompt=prompt), settings)
        return
    with pytest.raises(Refused):
        check_prompt(ImageRequest(prompt=prompt), settings)


@pytest.mark.parametrize(
    "prompt",
    [
        *["bl\u200bood", "bl\u00adood", "\uff42\uff4c\uff4f\uff4f\uff44", "bl&#111;od"],
        *["&#98lood", "&amp;#98;lood", "bl\ufffcood", "bl\x7food"],
        *["b(l:1)ood", "bl()ood", "[b]lood", "bl\\ood"],
        *["two  words", "two\nwords", "two_words", "two\u00a0words", "two\x85words"],
        *["Lo\u0308ffel", "GROSS", "that\u2019s it"],
    ],
)
def test_a_word_is_found_however_it_is_written(prompt: str) -> None:
    """A painting server reads these words as well: its tokenizer undoes that, or its own syntax."""
    words = ("blood", "two words", "l\u00f6ffel", "gro\u00df", "that's it", "\u200b")
    settings = Settings(discord_blocked_words=words)
    with pytest.raises(Refused):
        check_prompt(ImageRequest(prompt=prompt), settings)
    check_prompt(ImageRequest(prompt="a cat &#" + "1" * 5000 + ";"), settings)


def test_a_long_prompt_is_judged_by_many_words_in_no_time() -> None:
    """Nobody else is answered meanwhile; this letter is eighteen to a tokenizer."""
    prompt = "\ufdfa" * 4000
    request = ImageRequest(prompt=prompt, negative_prompt=prompt, cfg_scale=0)
    settings = Settings(discord_blocked_words=tuple(f"blood{number}" for number in range(300)))
    began = time.process_time()
    check_prompt(request, settings)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("prompt", "cfg_scale", "refused"),
    [
        *[("a cat", 7.0, False), ("a cat", 1.0, False), ("a cat, 16:9", 7.0, False)],
        *[("a cat", 0.0, True), ("a cat", 0.9, True), ("a cat :0", 7.0, True), ("(a cat:0)", 7.0, False)],
        *[("a cat AND a dog :-1", 7.0, True), ("a cat AND a dog", 0.6, False), ("a cat : .1", 7.0, True)],
    ],
)
def test_a_negative_prompt_is_judged_where_it_is_painted(
    prompt: str, cfg_scale: float, refused: bool
) -> None:
    """Elsewhere it may name what is not wanted."""
    request = ImageRequest(prompt=prompt, negative_prompt="blood", cfg_scale=cfg_scale)
    settings = Settings(discord_blocked_words=("blood",))
    if not refused:
        check_prompt(request, settings)
        return
    with pytest.raises(Refused):
        check_prompt(request, settings)


def test_the_later_of_two_that_come_at_once_is_refused() -> None:
    """As the store got them: a replica may come to a later command first, and sees no earlier one then."""
    settings = Settings(discord_max_jobs_per_user=1)
    names = ["6:1:99", "5:1:101", "5:2:100"]
    check_counts(names, "5:1:101", settings)
    with pytest.raises(Refused) as refused:
        check_counts(names, "5:2:100", settings)
    assert (refused.value.key, refused.value.values) == ("refused.user", {"count": 1})


def test_a_refusal_names_the_limit_and_not_how_many_came_at_once() -> None:
    """Of eight in a burst four are accepted; the others are counted until they are forgotten."""
    settings = Settings(discord_max_jobs_per_user=4, discord_max_jobs_per_server=4)
    for users, key in ([5] * 8, "refused.user"), (range(1, 9), "refused.server"):
        names = [f"{user}:1:{number}" for number, user in enumerate(users)]
        with pytest.raises(Refused) as refused:
            check_counts(names, names[-1], settings)
        assert (refused.value.key, refused.value.values) == (key, {"count": 4})


def test_a_server_has_its_own_limit_and_direct_messages_none() -> None:
    settings = Settings(discord_max_jobs_per_server=2)
    names = ["1:7:10", "2:7:11", "3:7:12", "1:0:13", "2:0:14", "3:0:15"]
    check_counts(names, "3:0:15", settings)
    with pytest.raises(Refused) as refused:
        check_counts(names, "3:7:12", settings)
    assert refused.value.key == "refused.server"


def test_spoilers_where_the_settings_want_them() -> None:
    adults = Place(guild=1, channels=(2,), roles=(), age_restricted=True)
    assert not is_spoiler(False, SERVER, Settings())
    assert is_spoiler(True, adults, Settings())
    assert is_spoiler(False, SERVER, Settings(discord_spoiler=True))
    assert not is_spoiler(False, adults, Settings(discord_spoiler=True))
