"""The words of Discord, both ways; no Discord is needed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.markdown import CUT, escape
from bot.messages import (
    LONGEST_DESCRIPTION,
    Page,
    completed_page,
    error_text,
    is_cut,
    late_page,
    lost_page,
    page_of,
    parameters_page,
    request_in,
    request_of,
    request_painted,
    title_of,
)
from bot.policy import Refused
from core import (
    BackendError,
    Cancelled,
    Completed,
    Event,
    Failed,
    Image,
    ImageRequest,
    InvalidRequest,
    Limits,
    Progress,
    Queued,
    Started,
)
from core.request import EXTRA_ARGUMENTS

LIMITS = Limits()
REQUEST = ImageRequest(
    prompt="a *monkey* with a_hat", negative_prompt="rain", steps=30, seed=7, model="alpha"
)
PAINTED = Completed((Image(b"AA==", "png", 42),), "gpu:7860", 3.21, "beta", "Euler a", 512, 768, 30)


def size_of(page: Page) -> int:
    """Characters as Discord counts them (documentation, "Embed Limits")."""
    return sum(
        len(embed.get("title", ""))
        + len(embed.get("description", ""))
        + len(embed.get("footer", {}).get("text", ""))
        + len(embed.get("author", {}).get("name", ""))
        + sum(len(field["name"]) + len(field["value"]) for field in embed.get("fields", ()))
        for embed in page.embeds
    )


def field(page: Page, name: str) -> str:
    return str(next(each["value"] for each in page.embeds[0]["fields"] if each["name"] == name))


def test_options_are_a_request() -> None:
    options = {"prompt": "a monkey", "sampler": "Euler", "count": 2, "size": "768x512", "seed": None}
    request = request_of(options, LIMITS)
    assert request == ImageRequest(
        prompt="a monkey", sampler_name="Euler", batch_size=2, width=768, height=512
    )


def test_a_size_and_a_side_contradict_each_other() -> None:
    """Told in the caller's language, as every refusal of the bot's own."""
    with pytest.raises(Refused, match=r"refused\.size"):
        request_of({"prompt": "a", "size": "512x512", "width": 64}, LIMITS)


@pytest.mark.parametrize("locale", ["en-US", "de"])
@pytest.mark.parametrize(
    "event",
    [
        Queued(3, None),
        Started("gpu"),
        Progress(0.5, 5, 10, 2.0),
        Failed("timeout", "late"),
        Cancelled(),
    ],
)
def test_every_page_says_enough_to_paint_it_again(event: Event, locale: str) -> None:
    assert request_in(page_of(event, REQUEST, "ab", locale).embeds, LIMITS) == REQUEST
    assert request_in(late_page(REQUEST, "ab", locale).embeds, LIMITS) == REQUEST


@given(st.text(min_size=1, max_size=300).filter(str.strip), st.text(max_size=200))
@example(f"a monkey{CUT}", "")
def test_no_prompt_is_changed_on_its_way_through_a_message(prompt: str, negative: str) -> None:
    negative = negative if negative.strip() else ""
    request = ImageRequest(prompt=prompt, negative_prompt=negative)
    embeds = page_of(Queued(0, None), request, "ab", "en").embeds
    # One that holds the mark of a cut is read from the file beside the message, as one that was cut.
    assert is_cut(embeds[0]) == (CUT in prompt or CUT in negative)
    elsewhere = (prompt, negative) if is_cut(embeds[0]) else None
    try:
        assert request_in(embeds, LIMITS, prompts=elsewhere) == request
    except InvalidRequest:  # what never came in: half a surrogate pair, or the options of a painting server
        texts = prompt + negative
        assert EXTRA_ARGUMENTS in texts or any("\ud800" <= letter <= "\udfff" for letter in texts)


def test_the_end_tells_what_was_painted() -> None:
    page = completed_page(PAINTED, REQUEST, "ab", "en-US", images=["a.png"], note="smaller")
    assert page.buttons == ("again", "edit", "delete")
    assert field(page, "Seed") == "42"
    assert field(page, "Size") == "512 x 768"
    assert field(page, "Model") == "beta"
    assert field(page, "Time") == "3.2 s"
    assert page.embeds[0]["image"]["url"] == "attachment://a.png"
    assert "ab" in page.embeds[0]["footer"]["text"]
    assert "smaller" in page.embeds[0]["footer"]["text"]
    again = request_in(page.embeds, LIMITS)
    assert again == replace(REQUEST, seed=42, model="beta", sampler_name="Euler a", height=768)


def test_several_pictures_have_an_embed_each() -> None:
    page = completed_page(PAINTED, REQUEST, "ab", "en", images=["a.png", "b.png"])
    assert [embed["image"]["url"] for embed in page.embeds] == ["attachment://a.png", "attachment://b.png"]


def test_a_prompt_that_is_too_long_is_cut_and_says_so() -> None:
    request = ImageRequest(prompt="*" * 4000, negative_prompt="_" * 4000)
    page = page_of(Failed("internal", "x" * 2000), request, "a" * 32, "de")
    assert size_of(page) <= 6000
    assert len(page.embeds[0]["description"]) <= LONGEST_DESCRIPTION
    assert page.embeds[0]["description"].endswith(f"\\*{CUT}")
    assert request_in(page.embeds, LIMITS) is None


def test_what_is_no_page_holds_no_request() -> None:
    assert request_in([], LIMITS) is None
    assert request_in([{"title": "something else"}], LIMITS) is None


def test_progress_in_one_line() -> None:
    assert title_of(PAINTED, "en") == "Done"
    assert title_of(Queued(3, 12.4), "en") == "In the queue, 3 ahead  ·  about 12 s"
    assert title_of(Queued(0, None), "de") == "Als Nächstes an der Reihe"
    assert title_of(Queued(0, 300.0, 2), "en").startswith("A server failed")
    assert title_of(Queued(1, 36_000.0), "en").endswith("about 10 h")
    assert title_of(Progress(0.25, 5, 20, 95.0), "en") == "▰▰▰▱▱▱▱▱▱▱▱▱ 25 %  ·  step 5 of 20  ·  about 2 min"


def test_a_lost_job_keeps_its_words_and_offers_to_begin_anew() -> None:
    page = lost_page(page_of(Queued(0, None), REQUEST, "ab", "en").embeds[0], "en")
    assert page.buttons == ("again", "edit", "delete")
    assert request_in(page.embeds, LIMITS) == REQUEST


def test_errors_are_told_in_the_callers_language() -> None:
    assert error_text(BackendError("no *memory*"), "en") == r"The painting server failed: no \*memory\*"
    assert error_text(Failed("no_backend", "none"), "de").startswith("Zurzeit ist kein Server")


def test_an_error_that_only_a_newer_version_knows_is_told_in_its_own_words() -> None:
    """As a newer worker may have stored it, which replaces this one: its job's message has to end."""
    page = page_of(Failed("too_dear", "10.0.0.3:7860: that costs too much"), REQUEST, "ab", "de")
    assert page.embeds[0]["author"]["name"] == "that costs too much"


@pytest.mark.parametrize("server", ["10.0.0.3:7860", "[::1]:7860", "painter.lan:443/forge"])
def test_what_a_server_says_is_told_without_its_address(server: str) -> None:
    """Who may read the channel need not know where it stands."""
    failed = Failed("backend_error", f"{server}: RuntimeError: out of memory: 2:1")
    page = page_of(failed, REQUEST, "ab", "en")
    assert page.embeds[0]["author"]["name"] == "The painting server failed: RuntimeError: out of memory: 2:1"
    told = error_text(InvalidRequest(f"{server}: too many steps"), "en")
    assert told == "That cannot be painted: too many steps"


def test_a_picture_tells_what_it_was_painted_from() -> None:
    text = "a cat\nNegative prompt: rain\nSteps: 20, CFG scale: 0, Seed: 1"
    painted = replace(PAINTED, images=(replace(PAINTED.images[0], infotext=text),))
    assert parameters_page(text).embeds[0]["description"].startswith("a cat")
    request = request_painted(painted)
    assert (request.prompt, request.negative_prompt, request.cfg_scale) == ("a cat", "rain", 0.0)
    assert (request.seed, request.steps, request.model) == (42, 30, "beta")


def test_of_a_very_long_text_no_more_is_read_than_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of 234 bytes can hold 100,000 characters, and ten of them stop the bot for half a second."""
    read: list[int] = []

    def note(text: str) -> str:
        read.append(len(text))
        return escape(text)

    monkeypatch.setattr("bot.messages.escape", note)
    page = parameters_page("*" * 100_000)
    assert read == [LONGEST_DESCRIPTION + 1]
    assert is_cut(page.embeds[0])
    assert not is_cut(parameters_page("x" * LONGEST_DESCRIPTION).embeds[0])
