"""How the bot starts and stops: its token, its commands, the line with the invitation, as a process."""

import asyncio
import re
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.beside import beside
from bot.client import Bot, listen
from bot.sync import sync
from core import Caller, Completed, ImageRequest, Settings, SettingsError, connect
from tests.doubles.a1111 import A1111Double
from tests.doubles.discord import TOKEN, LoopbackDiscord
from tests.doubles.discord_fixture import serving, settings_of
from tests.doubles.program import WITHOUT_A1111, program

PROGRAMS = [
    pytest.param(("-m", "bot"), id="bot"),
    pytest.param(("-c", WITHOUT_A1111, "serve"), id="serve", marks=pytest.mark.slow),
]


def pointed_at(discord: LoopbackDiscord) -> dict[str, str]:
    return {"DISCORD_API_BASE": discord.api_base, "DISCORD_GATEWAY_URL": discord.gateway_url}


@pytest.mark.slow
async def test_a_missing_token_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    async with program(tmp_path, "-m", "bot") as process:
        code, said = await process.ends()
        assert said.startswith("sd-b64: DISCORD_TOKEN: set it to the bot's token")
        assert said.count("\n") == 1
        assert code == 2


@pytest.mark.slow
@pytest.mark.parametrize("arguments", PROGRAMS)
async def test_a_wrong_token_is_one_clear_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    async with LoopbackDiscord() as discord, A1111Double() as double:
        token = tmp_path / "token"
        token.write_text("wrong\n")
        environ = {"DISCORD_TOKEN_FILE": str(token), "SD_BACKENDS": double.url, **pointed_at(discord)}
        environ |= {"HTTP_PORT": "0", "WS_PORT": "0"}
        async with program(tmp_path, *arguments, **environ) as process:
            code, said = await process.ends()
            last = said.splitlines()[-1]
            assert last.startswith("sd-b64: DISCORD_TOKEN: Discord does not accept this token")
            assert "Traceback" not in said
            assert code == 2


async def test_a_token_of_several_lines_is_a_wrong_one() -> None:
    """As from a file that holds something else, too."""
    async with LoopbackDiscord() as discord, A1111Double() as double, asyncio.timeout(10):
        settings = settings_of(discord, double, discord_token=f"application\n{TOKEN}")
        with pytest.raises(SettingsError, match="does not accept this token"):
            async with connect(settings) as gateway, listen(gateway, settings):
                await asyncio.Event().wait()


@pytest.mark.parametrize("arguments", PROGRAMS)
async def test_it_starts_paints_and_stops_as_a_process(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Alone, and inside `serve` with the built-in engine; it prints its invitation, and a signal ends it."""
    async with LoopbackDiscord() as discord, A1111Double() as double:
        environ = {"DISCORD_TOKEN": TOKEN, "HTTP_PORT": "0", "WS_PORT": "0", **pointed_at(discord)}
        if "bot" in arguments:
            environ["SD_BACKENDS"] = double.url
        async with program(tmp_path, *arguments, **environ) as process:
            await discord.ready()
            ann, channel = discord.person(), discord.channel()
            asked = await discord.command(ann, channel, "imagine", prompt="a monkey with a hat", steps=3)
            message = await discord.settled(asked)
            assert message.pictures[0].startswith(b"\x89PNG")
            process.signal(signal.SIGTERM)
            code, said = await process.ends()
            assert code == 0, said
        assert "invite it: https://discord.com/oauth2/authorize?client_id=" in said
        assert re.search(r"scope=bot\+applications\.commands", said)
        assert "no REDIS_URL" in said
        assert "Traceback" not in said
        assert TOKEN not in said


async def test_commands_are_given_to_discord_only_when_they_changed() -> None:
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.gateway.identify_seconds = 0
        for _ in range(2):
            settings = settings_of(discord, double)
            async with connect(settings) as gateway, listen(gateway, settings) as bot:
                await bot.wait_until_ready()
            assert discord.syncs == 1
        settings = settings_of(discord, double, max_steps=20)
        async with connect(settings) as gateway, listen(gateway, settings):
            await discord.until(lambda: discord.syncs == 2)


async def test_the_entry_point_command_that_discord_adds_by_itself_is_left_as_it_is() -> None:
    """An app with Activities has one, and no list of commands without it is taken."""
    launch = {"id": "7", "name": "launch", "type": 4, "description": "", "handler": 2, "contexts": [0]}
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.gateway.identify_seconds = 0
        discord.commands = [launch | {"name_localizations": {"de": "start"}}]
        settings = settings_of(discord, double)
        for _ in range(2):
            async with connect(settings) as gateway, listen(gateway, settings) as bot:
                await discord.until(lambda: discord.syncs)
                await bot.wait_until_ready()
            assert discord.syncs == 1
        (kept,) = [command for command in discord.commands if command["type"] == 4]
        assert kept.items() >= {**launch, "name_localizations": {"de": "start"}}.items()
        assert "imagine" in [command["name"] for command in discord.commands]


async def test_two_replicas_give_the_commands_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share the store of their claims, as on one Valkey."""
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.gateway.identify_seconds = 0.2
        monkeypatch.setattr("bot.client.IDENTIFY_SECONDS", 0.25)
        settings = settings_of(discord, double)
        async with (
            connect(settings) as gateway,
            listen(gateway, settings) as one,
            listen(gateway, settings) as two,
        ):
            await discord.ready(2)
            assert discord.syncs == 1
            assert two.owner != one.owner


@pytest.mark.slow
async def test_a_discord_that_is_away_at_the_start_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    discord = LoopbackDiscord()
    discord.fault("GET", "/users/@me", 403, times=2)
    discord.gateway.out_of_order = 2
    async with serving(discord=discord) as served:
        await served.painted()
    assert caplog.text.count("Discord cannot be reached") == 2
    assert caplog.text.count("gateway cannot be reached") == 2


@pytest.mark.slow
async def test_a_job_under_way_is_gone_on_with_once_a_discord_that_was_away_at_the_start_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It was no fault, and does not rest as after one."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.2)
    async with LoopbackDiscord() as discord, A1111Double() as double:
        settings = settings_of(discord, double)
        async with connect(settings) as gateway:
            double.hold(at=1)
            async with listen(gateway, settings):
                await discord.ready()
                asked = await discord.command(discord.person(), discord.channel(), "imagine", prompt="a")
                await discord.until(lambda: asked.original and asked.original.embeds)
            discord.fault("GET", "/users/@me", 503, times=2)
            async with listen(gateway, settings) as bot:
                double.release()
                assert (await discord.settled(asked)).title == "Done"
                await bot.wait_until_ready()  # cut off in the middle of that it would leave a thread behind
    assert "Discord cannot be reached" in caplog.text
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_commands_are_given_by_who_hears_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica waits for its turn to open a session, and those of before know nothing of new commands."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.05)
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.gateway.out_of_order = 3
        given, sync_all = list[int](), discord._sync

        def seen(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
            given.append(len(discord.gateway.identifies))
            return sync_all(commands)

        monkeypatch.setattr(discord, "_sync", seen)
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, listen(gateway, settings) as bot:
            await discord.ready()
            await bot.wait_until_ready()
    assert given == [1]


async def test_commands_are_given_as_soon_as_discord_takes_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that breaks just then ends nothing: the bot connects, and tries again."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    failures = iter([aiohttp.ServerDisconnectedError(), ConnectionResetError()])

    async def broken(*arguments: Any) -> bool:
        if error := next(failures, None):
            raise error
        return await sync(*arguments)

    monkeypatch.setattr("bot.client.sync", broken)
    async with serving() as served:
        assert served.discord.syncs == 1
    assert caplog.text.count("could not be given to Discord, again") == 2


@pytest.mark.parametrize(
    "page", [b"<html>Please log in to the network</html>", "f\xfcr Sie gesperrt".encode("latin-1")]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/users/@me"), ("GET", "/oauth2/"), ("GET", "/commands"), ("PUT", "/commands")],
)
async def test_a_page_that_a_proxy_shows_instead_of_discord_is_waited_out(
    page: bytes, method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With status 200: it was believed, and ended the bot, and whatever ran beside it."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.hide_behind(page, method, path, times=2)
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, listen(gateway, settings) as bot:
            await discord.ready()
            await bot.wait_until_ready()
        assert discord.syncs == 1


@pytest.mark.parametrize(("status", "path"), [(401, "/users/@me"), (403, "/commands")])
async def test_a_page_that_refuses_in_discords_place_does_not_speak_for_it(
    status: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is not a wrong one, and the commands are given later: what stands there passes."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.hide_behind(b"<html>Access denied</html>", "GET", path, status, times=2)
        settings = settings_of(discord, double)
        async with asyncio.timeout(10), connect(settings) as gateway, listen(gateway, settings) as bot:
            await discord.ready()
            await bot.wait_until_ready()
        assert discord.syncs == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_commands_that_are_too_many_requests_for_what_stands_in_front_of_discord_are_given_later(
    method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That bears no limits of Discord's own, for which discord.py would wait by itself."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.fault(method, "/commands", 429, times=2, in_front=True)
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, listen(gateway, settings):
            await discord.ready()
            assert discord.syncs == 1
    assert caplog.text.count("could not be given to Discord, again") == 2


async def test_commands_that_another_replica_was_about_to_give_when_it_died_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    asked = []

    async def died(_: Any, name: str, owner: str, *, ttl: float) -> bool:
        asked.append(name)
        return len(asked) > 2

    monkeypatch.setattr("core.coordination.memory.MemoryCoordination.claim", died)
    async with LoopbackDiscord() as discord, A1111Double() as double:
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, listen(gateway, settings):
            await discord.ready()
            assert discord.syncs == 1


async def test_a_stop_that_gets_lost_while_it_connects_ends_the_bot_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As `wait_for` of Python 3.11 loses it where its body ends in the same moment."""
    connecting = asyncio.Event()

    async def deaf(bot: Bot) -> None:
        connecting.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        while not bot.is_closed():  # noqa: ASYNC110
            await asyncio.sleep(0)

    monkeypatch.setattr(Bot, "connect", deaf)
    async with LoopbackDiscord() as discord, A1111Double() as double:
        settings = settings_of(discord, double)
        async with asyncio.timeout(5), connect(settings) as gateway, listen(gateway, settings):
            await connecting.wait()


async def test_commands_that_discord_refuses_are_told_and_the_bot_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LoopbackDiscord() as discord, A1111Double() as double:
        discord.fault("PUT", "/commands", 400, 50035)
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, listen(gateway, settings) as bot:
            await bot.wait_until_ready()
            await discord.until(lambda: "could not be given to Discord" in caplog.text)
            assert discord.gateway.connected


@pytest.mark.parametrize("event", ["INTERACTION_CREATE", "ENTITLEMENT_CREATE"])
async def test_an_event_that_discord_py_cannot_read_ends_nothing(
    event: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As where Discord tells less of a channel than it did: the same session goes on with what comes next."""
    async with serving() as served:
        served.discord.gateway.tell(event, {"id": "7", "type": 2})
        await served.painted()
        assert len(served.discord.gateway.identifies) == 1
    (error,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert event in error


async def test_a_token_that_is_taken_away_ends_the_bot_alone_where_others_are_served_beside_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Loudly; a bot that Discord refuses from the start is a wrong setting there as well."""
    async with LoopbackDiscord() as discord, A1111Double() as double, asyncio.timeout(30):
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, beside(gateway, settings):
            await discord.ready()
            double.hold(at=1)
            await discord.command(discord.person(), discord.channel(), "imagine", prompt="of Discord")
            await double.until(lambda: double.active)
            discord.gateway.token = "another"
            discord.gateway.cut()
            async with gateway.submit(ImageRequest(prompt="of HTTP"), Caller("127.0.0.1")) as watch:
                while "all else goes on" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                double.release()
                assert isinstance(await watch.end(), Completed)
        errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
        assert [error for error in errors if "does not accept this token" in error] == errors
        with pytest.raises(SettingsError, match="does not accept this token"):
            async with connect(settings) as gateway, beside(gateway, settings):
                await asyncio.Event().wait()


async def test_a_token_that_a_discord_refuses_which_was_away_at_the_start_ends_the_bot_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Others have been served for as long as it was away: what is painted for them is not cut off."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    async with LoopbackDiscord() as discord, A1111Double() as double, asyncio.timeout(30):
        settings = replace(settings_of(discord, double), discord_token="another")
        discord.fault("GET", "/users/@me", 503, times=1000)
        async with connect(settings) as gateway, beside(gateway, settings):
            double.hold(at=1)
            async with gateway.submit(ImageRequest(prompt="of HTTP"), Caller("127.0.0.1")) as watch:
                await double.until(lambda: double.active)
                while "cannot be reached" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                discord.faults_end()
                while "all else goes on" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                double.release()
                assert isinstance(await watch.end(), Completed)


async def test_a_token_of_several_lines_is_told_before_anybody_hears_that_all_is_well() -> None:
    """`serve` says so once all that it serves is entered."""
    async with LoopbackDiscord() as discord, A1111Double() as double:
        settings = replace(settings_of(discord, double), discord_token="one\ntwo")
        with pytest.raises(SettingsError, match="does not accept this token"):
            async with connect(settings) as gateway, beside(gateway, settings):
                pytest.fail("it was entered")


async def test_a_bot_with_a_fault_begins_anew_where_others_are_served_beside_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And goes on with its jobs. No session can begin with a READY that says nothing; alone the bot ends."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("bot.client.IDENTIFY_SECONDS", 0.01)
    async with LoopbackDiscord() as discord, A1111Double() as double, asyncio.timeout(30):
        discord.gateway.identify_seconds = 0.0
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, beside(gateway, settings):
            await discord.ready()
            double.hold(at=1)
            command = await discord.command(discord.person(), discord.channel(), "imagine", prompt="a monkey")
            await double.until(lambda: double.active)
            discord.gateway.tell("READY", {})
            await discord.until(lambda: len(discord.gateway.identifies) == 2)
            double.release()
            await discord.settled(command)
        (fault,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "begins anew" in fault.message
        with pytest.raises(KeyError):
            await _have_a_fault(discord, settings)


@pytest.mark.parametrize("ran_well", [True, False])
async def test_a_bot_that_ran_well_for_long_rests_no_longer_than_at_its_first_fault(
    ran_well: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a program that runs for months its ninth fault left it away for five minutes."""
    monkeypatch.setattr("bot.pace.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("bot.client.IDENTIFY_SECONDS", 0.01)
    monkeypatch.setattr(sys.modules["bot.beside"], "RAN_WELL", 0.0 if ran_well else 3600.0)
    async with LoopbackDiscord() as discord, A1111Double() as double, asyncio.timeout(30):
        discord.gateway.identify_seconds = 0.0
        settings = settings_of(discord, double)
        async with connect(settings) as gateway, beside(gateway, settings):
            await discord.ready()
            discord.gateway.tell("READY", {})
            await discord.until(lambda: len(discord.gateway.identifies) == 2)
            discord.gateway.tell("READY", {})
            await discord.until(lambda: len(discord.gateway.identifies) == 3)
        faults = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        rests = [re.findall(r"anew in (\S+) s", fault) for fault in faults]
        assert rests == [["0.01"], ["0.01" if ran_well else "0.02"]]


async def _have_a_fault(discord: LoopbackDiscord, settings: Settings) -> None:
    async with connect(settings) as gateway, listen(gateway, settings) as bot:
        await bot.wait_until_ready()
        discord.gateway.tell("READY", {})
        await asyncio.Event().wait()


@pytest.mark.slow
async def test_a_token_that_is_taken_away_leaves_http_to_the_picture_it_waits_for(tmp_path: Path) -> None:
    """`serve` goes on, and ends in good order."""
    async with LoopbackDiscord() as discord, A1111Double() as double:
        environ = {"DISCORD_TOKEN": TOKEN, "HTTP_PORT": "0", "WS_PORT": "0", **pointed_at(discord)}
        async with program(tmp_path, "-m", "cli", "serve", SD_BACKENDS=double.url, **environ) as process:
            link = re.findall(r"http://127\.0\.0\.1:\d+/", await process.says("click "))[0]
            await discord.ready()
            person, channel = discord.person(), discord.channel()
            await discord.settled(await discord.command(person, channel, "imagine", prompt="a monkey"))
            double.hold(at=1)
            async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
                asked = group.create_task(session.get(link + "text?input=monkey"))
                await double.until(lambda: double.active)
                discord.gateway.token = "another"
                discord.gateway.cut()
                assert "ERROR" in await process.says("all else goes on without it: DISCORD_TOKEN")
                double.release()
                async with await asked as answer:
                    assert "image-base64" in await answer.json()
            process.signal(signal.SIGTERM)
            code, said = await process.ends()
            assert code == 0, said


async def test_a_token_that_is_taken_away_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.client.IDENTIFY_SECONDS", 0.01)

    async def lose_the_token() -> None:
        async with serving() as served, asyncio.timeout(20):
            served.discord.gateway.token = "another"
            served.discord.gateway.cut()
            await asyncio.Event().wait()

    with pytest.raises(SettingsError, match="does not accept this token"):
        await lose_the_token()
