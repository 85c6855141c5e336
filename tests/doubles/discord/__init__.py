"""A loopback Discord: its gateway and its REST API over real sockets, with its limits and its faults.

    async with LoopbackDiscord() as discord:
        ann, channel = discord.person("ann"), discord.channel()
        ... a bot with DISCORD_API_BASE=discord.api_base and DISCORD_GATEWAY_URL=discord.gateway_url ...
        asked = await discord.command(ann, channel, "imagine", prompt="a monkey")
        await discord.until(lambda: asked.original and asked.original.title == "Done")

It refuses what Discord refuses: a second answer (40060), one after 3 s (10062), a token after 15 minutes
(50027), texts and files that are too long (50035, 413), options that were not synced (NotOffered). Its clock
is its own: `discord.skip(seconds)`. `discord.fault(...)` makes requests fail, `cut` and `reconnect` disturb
the gateway.

Why not simcord, an in-process Discord: it runs no bot whose tasks wait for events, as all of ours do, and
knows neither several replicas nor sockets that break. Its checks of payloads and options (version 3.2.1) were
run beside `limits` over these tests, 506 payloads and commands: it refused nothing that `limits` took,
and took some that `limits` refuses. So it would add a judge that never disagrees.
"""

from tests.doubles.discord.limits import NotOffered
from tests.doubles.discord.server import TOKEN, LoopbackDiscord
from tests.doubles.discord.world import MANAGE_MESSAGES, Asked, Channel, Message, User

__all__ = [
    "MANAGE_MESSAGES",
    "TOKEN",
    "Asked",
    "Channel",
    "LoopbackDiscord",
    "Message",
    "NotOffered",
    "User",
]
