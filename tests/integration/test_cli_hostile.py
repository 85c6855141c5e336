"""The terminal client at a server that is broken, or means harm."""

import gzip
import json
import os
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.doubles.cli_fixture import UNSET, client, everything_answered

Capture = pytest.CaptureFixture[str]
ID = "0123456789abcdef" * 2
QUEUED = f'{{"type":"queued","id":"{ID}","position":0}}'


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client in an empty folder, with nothing set."""
    monkeypatch.chdir(tmp_path)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("image", '{"type":"image","id":"%s","image-base64":"?"}'),
        ("queued", '{"type":"\x9b2J\\u001b[2J","id":"%s"}'),
    ],
)
async def test_what_makes_no_sense_is_not_asked_for_again(capsys: Capture, name: str, data: str) -> None:
    """It would be asked for a quarter of an hour; and its words, where they are quoted, steer no terminal."""
    assert await imagine(told(("queued", QUEUED), (name, data % ID))) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("sd-b64: unreadable: ")
    assert line.isprintable()


def told(*events: tuple[str, str]) -> web.Response:
    """A stream of these events."""
    text = "".join(f"event: {name}\ndata: {data}\n\n" for name, data in events)
    return web.Response(text=text, content_type="text/event-stream")


@pytest.mark.parametrize(
    ("numbers", "told_of"),
    [
        ([(0, 3), (1, 3), (2, 3)], "image 0 of 3, where 0 of at most 2 is awaited"),
        ([(0, 2), (0, 2)], "image 0 of 2, where 1 of at most 2"),
        ([(1, 2)], "image 1 of 2, where 0 of at most 2"),
        ([(-1, 1)], "image -1 of 1"),
        ([(0, 0), (1, 0)], "image 0 of 0"),
        ([(0, 2), (1, 1)], "image 1 of 1"),
    ],
)
async def test_pictures_that_nobody_asked_for_are_written_nowhere(
    capsys: Capture, numbers: list[tuple[int, int]], told_of: str
) -> None:
    """They would take the places of files that have other numbers."""
    images = [("image", image(index, count)) for index, count in numbers]
    assert await imagine(told(*images), "-n", "2", "-o", "out.png") == 1
    heard = capsys.readouterr()
    assert heard.out == ""
    assert heard.err.startswith("sd-b64: unreadable: ")
    assert told_of in heard.err
    assert os.listdir() == []


@pytest.mark.parametrize("kind", ["application/problem+json", "application/json"])
async def test_an_answer_without_end_is_not_waited_for(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Nor kept."""
    monkeypatch.setattr("cli.server.LONGEST_ANSWER", 1000, raising=False)
    for size, code in ((1000, "internal: " if "problem" in kind else ""), (1001, "unreadable: ")):
        words = '{"code":"internal","detail":"full","waiting":0,"running":0,"callers":0,"backends":[]}'
        status = 500 if "problem" in kind else 200
        answer = web.Response(text=words + " " * (size - len(words)), status=status, content_type=kind)
        assert await ask("status", answer) == bool(code)
        assert capsys.readouterr().err.startswith(f"sd-b64: {code}" if code else "")


async def test_a_stream_without_end_is_not_kept(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.event_stream.LONGEST", 1000, raising=False)
    assert await imagine(told(("queued", QUEUED), ("weather", "A" * 200_000))) == 1
    heard = capsys.readouterr().err.splitlines()
    assert heard[0] == "waiting in line: next"
    assert heard[1].startswith("sd-b64: unreadable: ")
    assert heard[1].endswith("an event of more than 1000 bytes")


@pytest.mark.parametrize("kind", ["text/event-stream", "application/problem+json", "application/json"])
async def test_what_is_packed_is_not_unpacked(capsys: Capture, kind: str) -> None:
    """A thousand bytes may be a million then; nobody has asked for it."""
    headers = {"Content-Encoding": "gzip", "Content-Type": kind}
    is_status = kind == "application/json"
    packed = web.Response(body=gzip.compress(b"{}"), status=200 if is_status else 500, headers=headers)
    assert await ask("status" if is_status else "imagine", packed) == 1
    assert capsys.readouterr().err.endswith("does not understand: an answer in gzip\n")


@pytest.mark.parametrize("is_terminal", [True, False])
async def test_a_status_in_json_steers_no_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """A pipe gets it as it came."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    words = '{"waiting":0,"running":0,"callers":0,"backends":[],"more":"\x9b2J\x9d0;title\x9c"}'
    assert await ask("status", web.json_response(text=words), "--json") == 0
    shown = capsys.readouterr().out.rstrip("\n")
    assert shown.isprintable() if is_terminal else shown == words
    assert json.loads(shown) == json.loads(words)


def image(index: int = 0, count: int = 1) -> str:
    """An event's words."""
    return f'{{"type":"image","id":"{ID}","image-base64":"QUFB","index":{index},"count":{count}}}'


async def imagine(answer: web.Response, *arguments: str) -> int:
    """The client's exit code where everything is answered so."""
    return await ask("imagine", answer, *arguments)


async def ask(command: str, answer: web.Response, *arguments: str) -> int:
    """The same of any command."""
    words = ["imagine", "a monkey", "--patience=0"] if command == "imagine" else [command]
    async with everything_answered(answer) as port:
        return await client(*words, "--server", f"http://127.0.0.1:{port}", *arguments)
