"""How large a picture may be on Discord: what is too large is made smaller, and says so."""

import pytest

from bot import results
from tests.doubles.discord import LoopbackDiscord
from tests.doubles.discord_fixture import serving

pytestmark = pytest.mark.usefixtures("brisk")


async def test_a_picture_that_is_too_large_is_sent_in_another_format_and_says_so() -> None:
    """The smaller of what the interaction allows and what the setting allows."""
    async with serving(discord=LoopbackDiscord(size_limit=120_000)) as served:
        message = await served.painted("/kb-300")
        assert message.title == "Done"
        assert sum(map(len, message.pictures)) <= 120_000
        assert "too large" in message.embed["footer"]["text"]
        await served.discord.settled(await served.discord.press(served.ann, message, "Again"))


async def test_the_setting_bounds_files_as_well() -> None:
    async with serving(discord_max_file_bytes=100_000) as served:
        assert sum(map(len, (await served.painted("/kb-300")).pictures)) <= 100_000


async def test_a_limit_that_discord_does_not_keep_itself_is_found_out() -> None:
    """413 although the interaction promised more: smaller, until it is taken."""
    async with serving() as served:
        served.discord.real_limit = 200_000
        message = await served.painted("/kb-450")
        assert sum(map(len, message.pictures)) <= 200_000
        assert served.discord.pictures == 1


async def test_many_pictures_may_each_be_as_large_as_one() -> None:
    """As long as a request holds them, none is packed anew for its company."""
    async with serving(discord=LoopbackDiscord(size_limit=500_000)) as served:
        message = await served.painted("/kb-300", count=4)
        assert sum(map(len, message.pictures)) > 1_000_000
        assert all(file.name.endswith(".png") for file in message.files.values())
        assert "too large" not in message.embed["footer"]["text"]


async def test_many_pictures_share_what_a_request_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is sent in vain before: on a slow line that takes minutes."""
    assert results.LARGEST_TOGETHER < LoopbackDiscord().request_limit == 25 * 2**20
    monkeypatch.setattr(results, "LARGEST_TOGETHER", 700_000)
    async with serving(discord=LoopbackDiscord(size_limit=500_000)) as served:
        served.discord.request_limit = 800_000
        message = await served.painted("/kb-300", count=4)
        assert len(message.pictures) == 4
        assert all(len(picture) <= 175_000 for picture in message.pictures)
        assert "too large" in message.embed["footer"]["text"]
        assert [call.status for call in served.discord.calls if call.status >= 400] == []


async def test_a_single_picture_may_be_as_large_as_discord_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers with boosts take larger files than what a request holds elsewhere."""
    monkeypatch.setattr(results, "LARGEST_TOGETHER", 200_000)
    async with serving(discord=LoopbackDiscord(size_limit=500_000)) as served:
        message = await served.painted("/kb-300")
        assert "too large" not in message.embed["footer"]["text"]


async def test_many_pictures_that_are_too_large_together_are_made_smaller_until_they_are_taken() -> None:
    """What stands in front of Discord may take less than it says."""
    async with serving() as served:
        served.discord.request_limit = 400_000
        message = await served.painted("/kb-300", count=4)
        assert len(message.pictures) == 4
        assert sum(map(len, message.pictures)) <= 400_000
        assert "too large" in message.embed["footer"]["text"]
        assert served.discord.pictures == 1
