"""What a person sees: the client in a pseudo-terminal, read from its screen."""

import signal
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.doubles.cli_fixture import HASTY, Terminal, everything_answered, terminal
from tests.doubles.http_fixture import serving
from tests.doubles.relay import Relay

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pseudo-terminals")
PROMPT = "a monkey with a hat"


async def test_place_then_a_bar_then_the_name_of_the_file(tmp_path: Path) -> None:
    """One line that moves, gone in the end; the cursor is back then."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        for prompt in ("first", "second"):
            await served.get("/text", input=prompt, headers={"Prefer": "respond-async"})
        await served.double.until(lambda: served.double.active)
        async with terminal(tmp_path, served.url, "imagine", PROMPT, "--seed", "7") as screen:
            assert "━━━" in await screen.until("waiting")
            await screen.until("1 ahead")
            served.double.paintings[0].release()
            await screen.until("next")
            served.double.hold(at=7)
            await served.double.until(lambda: len(served.double.paintings) == 2)
            served.double.paintings[1].release()
            text = await screen.until("35%, step 7/20")
            assert text.split()[1] == "painting", "behind the spinner"
            assert text.count("\n") == 0
            served.double.release()
            text = await screen.until("on 127.0.0.1:")
            assert await screen.process.wait() == 0
        assert text.splitlines()[0] == "a-monkey-with-a-hat-7.png"
        assert text.splitlines()[1].startswith("512x512, 20 steps, seed 7, alpha, ")
        assert len(text.splitlines()) == 2
        assert not screen.screen.cursor.hidden


@pytest.mark.slow
async def test_ctrl_c_takes_the_bar_away(tmp_path: Path) -> None:
    """And leaves one line, and a cursor."""
    async with serving(tmp_path) as served, terminal(tmp_path, served.url, "imagine", PROMPT) as screen:
        served.double.hold(at=1)
        await screen.until("painting")
        assert screen.screen.cursor.hidden
        screen.process.send_signal(signal.SIGINT)
        text = await screen.until("cancelled")
        assert await screen.process.wait() == 130
        assert text == "sd-b64: interrupted: the job is cancelled"
        assert not screen.screen.cursor.hidden


@pytest.mark.slow
async def test_a_second_ctrl_c_leaves_a_cursor_as_well(tmp_path: Path) -> None:
    """Though the process ends at once."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        async with terminal(tmp_path, relay.url, "imagine", PROMPT) as screen:
            served.double.hold(at=1)
            await screen.until("painting")
            relay.freeze()
            screen.process.send_signal(signal.SIGINT)
            await relay.until(2)
            screen.process.send_signal(signal.SIGINT)
            assert await screen.process.wait() == -signal.SIGINT
            await _until_the_cursor_is_back(screen)
        served.double.release()


@pytest.mark.slow
async def test_a_lost_server_is_told_in_the_same_line(tmp_path: Path) -> None:
    """With the seconds until the next try; then the bar goes on."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with terminal(tmp_path, relay.url, "imagine", PROMPT) as screen:
            await screen.until("painting")
            await relay.refuse()
            assert "trying again in" in await screen.until("no connection")
            await relay.listen()
            await screen.until("painting")
            served.double.release()
            assert await screen.process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("columns", [20, 40, 60, 200])
async def test_it_fits_into_any_width(tmp_path: Path, columns: int) -> None:
    """Never a second line; where there is no room for all of it, the bar is what is left out."""
    async with serving(tmp_path) as served:
        served.double.hold(at=7)
        async with terminal(tmp_path, served.url, "imagine", PROMPT, columns=columns) as screen:
            text = await screen.until("35%")
            assert "\n" not in text.strip()
            assert max(map(len, text.splitlines())) <= columns
            assert "painting" in text
            assert ("━" in text) == (columns >= 60)
            served.double.release()
            assert await screen.process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("term", "interactive"), [("dumb", ""), ("unknown", ""), ("xterm", "0")])
async def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    tmp_path: Path, term: str, interactive: str
) -> None:
    """Or that is not to: nothing at all would be drawn there."""
    async with serving(tmp_path) as served:
        arguments = (served.url, "imagine", PROMPT)
        async with terminal(tmp_path, *arguments, TERM=term, TTY_INTERACTIVE=interactive) as screen:
            await screen.until("painting on 127.0.0.1:")
            await screen.until("512x512, 20 steps")
            assert await screen.process.wait() == 0
        arguments = (served.url, "status", "--watch")
        async with terminal(tmp_path, *arguments, TERM=term, TTY_INTERACTIVE=interactive) as screen:
            await screen.until("idle")


@pytest.mark.slow
@pytest.mark.parametrize(("variable", "value"), [("FORCE_COLOR", ""), ("TTY_COMPATIBLE", "0")])
async def test_what_is_said_of_colours_hides_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    async with serving(tmp_path) as served, terminal(tmp_path, served.url, "status", "--watch") as screen:
        await screen.until("idle")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("status",), "idle"), (("status", "--watch"), "idle"), (("imagine", PROMPT), "512x512")],
)
async def test_a_terminal_without_a_size_has_the_usual_one(
    tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    """As `read LINES COLUMNS <<< $(stty size)` says where nobody has told how large it is."""
    async with (
        serving(tmp_path) as served,
        terminal(tmp_path, served.url, *arguments, COLUMNS="0", LINES="0") as screen,
    ):
        await screen.until(word)


@pytest.mark.slow
async def test_a_terminal_that_is_closed_cancels_the_job(tmp_path: Path) -> None:
    """Both the system and the shell say so, and nothing can be written any more."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with terminal(tmp_path, served.url, "imagine", PROMPT) as screen:
            await screen.until("step 1/20")
            screen.close()
            for _ in range(2):
                screen.process.send_signal(signal.SIGHUP)
            assert await screen.process.wait() == 130
        await served.double.until(lambda: served.double.paintings[0].interrupted)


@pytest.mark.slow
async def test_a_terminal_that_is_closed_ends_the_watching(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, terminal(tmp_path, served.url, "status", "--watch") as screen:
        await screen.until("idle")
        screen.close()
        screen.process.send_signal(signal.SIGHUP)
        assert await screen.process.wait() == 0


@pytest.mark.slow
async def test_a_picture_is_kept_off_the_terminal(tmp_path: Path) -> None:
    """It would be noise, or worse."""
    async with (
        serving(tmp_path) as served,
        terminal(tmp_path, served.url, "imagine", PROMPT, "-o", "-") as screen,
    ):
        await screen.until("a picture is nothing for a terminal")
        assert await screen.process.wait() == 2
        assert served.double.txt2img_requests == []


@pytest.mark.slow
async def test_status_watch_redraws_one_table_and_survives_a_restart(tmp_path: Path) -> None:
    """What changes is changed in its place; a lost server is said above what was known."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        async with terminal(tmp_path, relay.url, "status", "--watch", program=HASTY) as screen:
            await screen.until("0 waiting, 0 running, 0 callers")
            await screen.until("idle")
            await screen.until("beta")
            await served.get("/text", input="first", headers={"Prefer": "respond-async"})
            await screen.until("0 waiting, 1 running, 1 caller (yours: 0 waiting, 1 running)")
            await screen.until("painting")
            assert screen.text.count("Backend") == 1
            await relay.refuse()
            text = await screen.until("is not reached")
            assert text.index("is not reached") < text.index("0 waiting, 1 running")
            await relay.listen()
            served.double.release()
            await screen.until("0 waiting, 0 running")
            assert "not reached" not in screen.text
            screen.process.send_signal(signal.SIGINT)
            assert await screen.process.wait() == 0
            await _until_the_cursor_is_back(screen)
        assert "idle" in screen.text, "the last one stays"


@pytest.mark.slow
async def test_status_watch_fits_into_a_low_terminal(tmp_path: Path) -> None:
    """It tells how much it leaves out, also after a resize; that the server is lost is never left out."""
    async with (
        everything_answered(_of_many_backends()) as port,
        Relay(port) as relay,
        terminal(tmp_path, relay.url, "status", "--watch", program=HASTY, rows=24) as screen,
    ):
        text = await screen.until("and 7 more, 7 of them down")
        assert "7 waiting, 1 running, 3 callers" in text.splitlines()[0]
        assert len(text.splitlines()) == 24
        screen.resize(10, 100)
        text = await screen.until("and 21 more, 21 of them down")
        assert text.count("running, 3 callers") == text.count("Backend") == 1
        await relay.refuse()
        assert (await screen.until("looking for it")).startswith("unreachable: ")
        await relay.listen()
        screen.resize(40, 100)
        screen.screen.cursor_down(3)  # as a terminal does that folds its lines anew
        text = await screen.until("s/picture: seconds for one")
        assert text.count("gpu-") == 28
        assert text.count("running, 3 callers") == text.count("Backend") == 1


def _of_many_backends() -> web.Response:
    """What a server says of 28 backends, of which most are down."""
    up = {"state": "idle", "models": ["alpha", "beta"], "loaded": "alpha", "seconds_per_unit": 2.0}
    down = {"state": "down", "problem": "not reached"}
    backends = [{"name": f"gpu-{number}:7860", **(up if number < 4 else down)} for number in range(28)]
    return web.json_response({"waiting": 7, "running": 1, "callers": 3, "backends": backends})


async def _until_the_cursor_is_back(screen: Terminal) -> None:
    """It is the last that a program says, and may be read only after its end."""
    while screen.screen.cursor.hidden:
        await screen.changed.wait()
        screen.changed.clear()
