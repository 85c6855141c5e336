"""`sd-b64 status` against a real server."""

import asyncio
import json
import os
import signal
import sys
from io import FileIO, TextIOWrapper
from pathlib import Path

import pytest
from aiohttp import web

from cli import status
from cli.exit_codes import UNREACHABLE
from cli.failures import Failure
from cli.messages import Status
from tests.doubles.a1111 import EVENT_WAIT, A1111Double
from tests.doubles.cli_fixture import (
    HASTY,
    UNSET,
    client,
    everything_answered,
    full_disk,
    full_pipe,
    started,
    until,
)
from tests.doubles.http_fixture import Served, serving
from tests.doubles.relay import Relay

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)


async def ask(served: Served, *arguments: str) -> int:
    return await client("status", *arguments, "--server", served.url)


async def test_a_table_tells_of_the_jobs_and_the_backends(tmp_path: Path, capsys: Capture) -> None:
    """In a pipe one line for each backend, whatever its length."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        for prompt in ("first", "second", "third"):
            await served.get("/text", input=prompt, headers={"Prefer": "respond-async"})
        await served.double.until(lambda: served.double.active)
        assert await ask(served) == 0
        served.double.release()
    lines = capsys.readouterr().out.splitlines()
    counts = "2 waiting, 1 running, 1 caller (yours: 2 waiting, 1 running)"
    assert lines[0].split("  ") == [served.url, counts]
    assert lines[2].split() == ["Backend", "State", "Model", "s/picture", "Other", "models"]
    assert lines[3].split() == [served.double.name, "painting", "alpha", "beta"]


async def test_json_is_what_the_server_says(tmp_path: Path, capsys: Capture) -> None:
    """On one line, for jq."""
    async with serving(tmp_path) as served:
        assert await ask(served, "--json") == 0
        assert json.loads(capsys.readouterr().out) == (await served.get("/status")).json


@pytest.mark.slow
async def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with full_disk() as full:
        async with (
            serving(tmp_path) as served,
            started(tmp_path, served.url, "status", stdout=full) as process,
        ):
            _, said = await process.communicate()
    assert process.returncode == 1
    assert said == b"sd-b64: unwritable: standard output: No space left on device\n"


async def test_a_backend_that_is_down_is_shown_with_its_reason(tmp_path: Path, capsys: Capture) -> None:
    """And that is an answer, so the exit code is 0."""
    double = A1111Double()
    double.fault("/", 503)
    async with serving(tmp_path, double=double) as served:
        assert await ask(served) == 0
    assert "down: " in capsys.readouterr().out


async def test_exit_codes(tmp_path: Path, capsys: Capture) -> None:
    """4 where it lets nobody in, also while watching; 3 where nobody is there."""
    async with serving(tmp_path, api_key="secret") as served:
        assert await ask(served) == 4
        assert await ask(served, "--watch") == 4
        assert await ask(served, "--key", "secret") == 0
    assert await ask(served) == 3
    lines = capsys.readouterr().err.splitlines()
    wanted = (
        "the API key is missing or wrong: Authorization: Bearer KEY is wanted; --key or SD_B64_KEY holds it"
    )
    assert lines[0] == lines[1] == f"sd-b64: unauthorized: {wanted}"
    assert lines[2].startswith("sd-b64: unreachable: ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
@pytest.mark.parametrize("kind", [["--json"], []])
async def test_watch_in_a_pipe_prints_what_changes(tmp_path: Path, kind: list[str]) -> None:
    """Through absences of the server, also one from the start, until a signal."""
    async with serving(tmp_path) as served, Relay(served.port) as relay:
        served.double.hold(at=1)
        await relay.refuse()
        async with started(tmp_path, relay.url, "status", "--watch", *kind, program=HASTY) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            idle, painting = (b'"idle"', b'"painting"') if kind else (b" idle ", b" painting ")
            await until(process.stderr, b"is not reached: ")
            await relay.listen()
            await until(process.stdout, idle)
            await served.get("/text", input="first", headers={"Prefer": "respond-async"})
            await until(process.stdout, painting)
            await relay.refuse()
            await until(process.stderr, b"is not reached: ")
            served.double.release()
            await relay.listen()
            await until(process.stdout, idle)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
@pytest.mark.parametrize("kind", [["--json"], []])
async def test_watch_ends_when_nobody_reads_it_any_more(tmp_path: Path, kind: list[str]) -> None:
    """As before `head -1`; also where nothing changes, so that nothing is written."""
    reading, writing = os.pipe()
    try:
        async with (
            serving(tmp_path) as served,
            started(
                tmp_path, served.url, "status", "--watch", *kind, program=HASTY, stdout=writing
            ) as process,
        ):
            with FileIO(reading) as first:
                assert await asyncio.to_thread(first.readline)
            _, said = await process.communicate()
    finally:
        os.close(writing)
    assert (process.returncode, said) == (1, b"")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are Unix's")
@pytest.mark.parametrize("kind", [["--json"], []])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_watch_that_nobody_reads(
    tmp_path: Path, kind: list[str], stop: signal.Signals
) -> None:
    """A pager reads no more than it shows: the pipe is full then, and whoever writes into it is held up."""
    down = [{"name": "gpu", "state": "down", "problem": "?" * 9000}] * 20
    words = {"waiting": 0, "running": 0, "callers": 0, "backends": down}
    reading, writing = os.pipe()
    being_written = asyncio.Event()
    asyncio.get_running_loop().add_reader(reading, being_written.set)
    try:
        async with everything_answered(web.json_response(words)) as port:
            arguments = (f"http://127.0.0.1:{port}", "status", "--watch", *kind)
            async with started(tmp_path, *arguments, stdout=writing, PYTHONUNBUFFERED="") as process:
                await being_written.wait()
                process.send_signal(stop)
                _, said = await process.communicate()
        assert (process.returncode, said) == (0, b"")
    finally:
        asyncio.get_running_loop().remove_reader(reading)
        os.close(reading)
        os.close(writing)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it tells of no pipe that it is full")
async def test_nobody_has_to_read_that_the_server_is_away(tmp_path: Path) -> None:
    """The pipe is full one day, where it is often away; what is shown has a reader of its own."""
    body = b'{"waiting":0,"running":0,"callers":0,"backends":[]}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    answers = iter([head + body, b"", b"", head + body])  # aiohttp asks once more by itself

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers, b""))
        writer.close()

    with full_pipe() as unread:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            arguments = (url, "status", "--watch", "--json")
            async with started(tmp_path, *arguments, program=HASTY, stderr=unread) as process:
                assert process.stdout is not None
                async with asyncio.timeout(EVENT_WAIT):
                    for _ in range(2):
                        await until(process.stdout, b'"waiting"')
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0


@pytest.mark.parametrize("as_json", [True, False])
def test_watch_tells_of_each_absence_once(capsys: Capture, as_json: bool) -> None:
    """Not once a second; the first time, though nothing was shown yet, and again after it was back."""
    view: status.View = status.Json() if as_json else status.Tables("http://127.0.0.1:5000")
    gone = Failure(UNREACHABLE, "http://127.0.0.1:5000 is not reached: Connection refused")
    seen = Status(waiting=0, running=0, callers=0, backends=[])
    for _ in range(2):
        view.lost(gone)
        view.lost(gone)
        view.show(seen, b"{}")
        told = capsys.readouterr()
        assert told.err == f"sd-b64: {gone}; looking for it\n"
        assert told.out, "what is shown after an absence is shown as if it were new"


@pytest.mark.parametrize("as_json", [True, False])
def test_nobody_has_to_hear_that_the_server_is_away(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """What is shown has a reader of its own."""
    reading, unheard = os.pipe()
    os.close(reading)
    view: status.View = status.Json() if as_json else status.Tables("http://127.0.0.1:5000")
    with FileIO(unheard, "w") as raw, TextIOWrapper(raw, write_through=True) as errors:
        monkeypatch.setattr(sys, "stderr", errors)
        view.lost(Failure(UNREACHABLE, "http://127.0.0.1:5000 is not reached: Connection refused"))
    view.show(Status(waiting=0, running=0, callers=0, backends=[]), b"{}")
    assert capsys.readouterr().out


async def test_nothing_is_printed_while_nothing_changes(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "PERIOD", 0.0)
    async with serving(tmp_path) as served, Relay(served.port) as relay, asyncio.TaskGroup() as group:
        watching = group.create_task(client("status", "--watch", "--json", "--server", relay.url))
        before = len(served.double.calls)
        await relay.until(1)
        for _ in range(20):
            await served.get("/status")
        watching.cancel()
        assert len(served.double.calls) == before, "asking for the status asks no backend"
    assert capsys.readouterr().out.count("\n") == 1
