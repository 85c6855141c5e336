"""What an A1111 server, its relatives and a proxy refuse, and what is told of that in which words."""

import pytest

from core.backends import Limited, Unreachable
from core.backends.a1111.backend import LISTS_SECONDS
from core.backends.a1111.refusal import LONGEST_REASON
from core.errors import BackendError, InvalidRequest, SdError
from tests.doubles.studio import studio


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        ("/fail-500", BackendError, "RuntimeError: mat1"),
        ("/oom", BackendError, "OutOfMemoryError: CUDA out of memory"),
        ("/nan", BackendError, "NansException"),
        ("/forge", BackendError, "AttributeError: 'NoneType' object has no attribute 'cond_stage_model'"),
        ("/large-body", BackendError, "ResponseValidationError$"),
        ("/422", InvalidRequest, "steps"),
        ("/404-sampler", InvalidRequest, "Sampler not found"),
        ("/400-sampler", InvalidRequest, "Sampler not found"),
        ("/error-400", InvalidRequest, "invalid params"),
        ("/errors-400", BackendError, "ValueError: bad value"),
        ("/message-400", BackendError, "HTTPException: bad value"),
        ("/status-400", BackendError, "answered 400"),
        ("/status-422", BackendError, "answered 422$"),
        ("/truncate", BackendError, "truncated"),
        ("/not-json", BackendError, "no JSON"),
        ("/empty-images", BackendError, "without a picture"),
        ("/bad-base64", BackendError, "truncated"),
        ("/hang-up", BackendError, "broke"),
        ("/drop", BackendError, "broke"),
        ("/status-502", BackendError, "answered 502"),
    ],
)
async def test_each_fault_has_its_end(prompt: str, error: type[SdError], words: str) -> None:
    async with studio() as it:
        with pytest.raises(error, match=words) as caught:
            await it.paint(prompt)
        assert not isinstance(caught.value, Unreachable)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("/detail-500", "answered 500: Invalid image format"),
        ("/busy-503", "answered 503: Server is busy; please try again later."),
        ("/text-500", "answered 500: unsupported operand type(s) for +"),
        ("/plain-500", "answered 500 without a reason; its console has it"),
    ],
)
async def test_what_a_relative_of_a1111_says_of_its_fault_is_told(prompt: str, words: str) -> None:
    """It is an answer of the server itself, and no proxy's: it paints our picture no more."""
    async with studio(names_tasks=False, tells_task=False) as it:
        await it.backend.look()
        with pytest.raises(BackendError) as caught:
            await it.paint(prompt)
        assert caught.value.message == f"{it.double.name}: {words}"
        it.double.stuck = True
        assert (await it.backend.look()).usable


async def test_a_proxy_that_does_not_wait_may_say_so_in_any_words() -> None:
    """A1111 and its relatives never answer 504: the server may paint on."""
    async with studio(names_tasks=False, tells_task=False) as it:
        await it.backend.look()
        it.double.fault("/sdapi/v1/txt2img", 504)
        with pytest.raises(BackendError, match="a proxy before it answered 504: it may not wait as long"):
            await it.paint()
        it.double.heal()
        it.double.stuck = True
        assert (await it.backend.look()).resting


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 10), ("30", 30), ("0", 1), ("86400", 60), ("nan", 1), ("in a while", 10)]
)
async def test_a_server_that_limits_its_pictures_says_so_in_our_words_and_is_left_alone(
    asked: str | None, seconds: float
) -> None:
    """SD.Next paints first, and then has a 429 in place of the picture: in it, our address as it sees it."""
    async with studio() as it:
        it.double.rations, it.double.retry_after = 1, asked
        await it.paint("the first")
        with pytest.raises(Limited) as caught:
            await it.paint("the second")
        assert caught.value.message == f"{it.double.name}: limits how many pictures it paints a minute"
        assert caught.value.retry_after == seconds
        assert [painting.prompt for painting in it.double.paintings] == ["the first", "the second"]


async def test_a_server_that_limits_how_often_it_is_looked_at_is_used_all_the_same() -> None:
    """It is asked for its options every few seconds, and nothing in them is needed to paint."""
    async with studio() as it:
        before = await it.backend.look()
        it.double.fault("/sdapi/v1", 429)
        assert await it.backend.look() == before


@pytest.mark.parametrize("path", ["/sdapi/v1/sd-models", "/sdapi/v1/samplers"])
async def test_a_server_that_limits_its_answers_has_the_models_that_it_had(path: str) -> None:
    """A 429 does not say that there is nothing."""
    now = 0.0
    async with studio(clock=lambda: now) as it:
        await it.backend.look()
        now += LISTS_SECONDS
        it.double.fault(path, 429)
        offer = await it.backend.look()
        assert (offer.usable, offer.problem) == (False, f"{path} answered 429")
        assert (offer.models, offer.samplers) == (it.double.models, it.double.samplers)
        it.double.heal()
        assert (await it.backend.look()).usable


async def test_a_traceback_is_cut_down_to_its_sentence() -> None:
    async with studio() as it:
        with pytest.raises(BackendError) as caught:
            await it.paint("/traceback")
        assert "Traceback" not in caught.value.message
        assert len(caught.value.message) < 360


@pytest.mark.parametrize("prompt", ["/escapes", "/escapes-400", "/escapes-422", "/escapes-503"])
async def test_a_servers_words_steer_no_terminal(prompt: str) -> None:
    """They go into the log, into `problem`, and to clients that print them."""
    async with studio() as it:
        with pytest.raises(SdError) as caught:
            await it.paint(prompt)
        assert caught.value.message.isprintable()
        assert "]0;mine[2J31m" in caught.value.message, "the rest is told"
        assert getattr(caught.value, "field", None) in {None, "st]0;mine[2J31m eps"}


async def test_a_refused_parameter_with_a_name_without_end_is_cut() -> None:
    async with studio() as it:
        with pytest.raises(InvalidRequest, match="stepssteps") as caught:
            await it.paint("/422-long-field")
        assert caught.value.field is not None
        assert len(caught.value.field) == LONGEST_REASON
        assert len(caught.value.message) < 2 * LONGEST_REASON


@pytest.mark.parametrize(("prompt", "format"), [("/jpeg", "jpeg"), ("/webp", "webp"), ("/data-uri", "png")])
async def test_other_formats_come_as_they_are(prompt: str, format: str) -> None:
    async with studio() as it:
        assert (await it.paint(prompt)).images[0].format == format
