"""/imagine to picture, over real sockets: what people see from the command to the end."""

from tests.doubles.discord_fixture import serving
from tests.doubles.pictures import prompt_of, seed_of


async def test_a_command_becomes_a_picture() -> None:
    """One message: promised, then shown on its way, then the picture with everything about it."""
    async with serving() as served:
        asked = await served.imagine("a monkey with a hat", seed=7, steps=3, negative_prompt="rain")
        message = await served.discord.settled(asked)
        assert message.title == "Done"
        assert message.embed["description"] == "a monkey with a hat"
        assert message.fields["Seed"] == "7"
        assert message.fields["Size"] == "512 x 512"
        assert message.fields["Negative prompt"] == "rain"
        assert message.fields["Model"] == "alpha"
        assert message.fields["Time"].endswith(" s")
        assert list(message.buttons) == ["Again", "Edit", "Delete"]
        (picture,) = message.pictures
        assert prompt_of(picture) == "a monkey with a hat"
        assert seed_of(picture) == 7
        assert asked.answered_after is not None
        assert asked.answered_after < 1
        assert len(served.channel.messages) == 1
