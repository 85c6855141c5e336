"""What the tests of the bot's deliveries share."""

import msgspec
from discord import Webhook

from bot import ticket
from tests.doubles.discord import Asked, Message
from tests.doubles.discord_fixture import Served

PATCH = r"^/webhooks/.*/messages/@original|^/webhooks/.*/messages/%40original"
SEND = r"^/channels/\d+/messages$"


async def new_message(served: Served, asked: Asked) -> Message:
    """The message beside the interaction's own that brings its picture."""

    def found() -> list[Message]:
        return [
            message
            for channel in (asked.channel, served.discord.direct(asked.person))
            for message in channel.messages.values()
            if message.title == "Done" and message is not asked.original
        ]

    await served.discord.until(found, within=20)
    await served.nothing_left()
    (message,) = found()
    return message


async def begin_further_answer(served: Served, own: ticket.Ticket) -> None:
    """As another replica does, which tells it to all."""
    webhook = Webhook.partial(own.application, own.token, client=served.bot)
    further = await webhook.send("its beginning", wait=True)
    await served.bot.desk.tickets.store(msgspec.structs.replace(own, follow_up=further.id))


async def delete_message(served: Served, asked: Asked) -> None:
    del asked.channel.messages[asked.message.id]


async def delete_message_and_permission(served: Served, asked: Asked) -> None:
    del asked.channel.messages[asked.message.id]
    asked.channel.writable = False
