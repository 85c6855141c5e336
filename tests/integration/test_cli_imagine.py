"""`sd-b64 imagine` against a real server: what it asks for, where pictures go, what it says, how it ends."""

import asyncio
import errno
import json
import os
import sys
from asyncio.subprocess import PIPE
from base64 import b64encode
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, web

from cli.__main__ import main
from cli.failures import Failure
from tests.doubles.a1111 import EVENT_WAIT, A1111Double, prompt_of, seed_of
from tests.doubles.cli_fixture import (
    UNSET,
    client,
    contents,
    everything_answered,
    full_disk,
    full_pipe,
    on_free_port,
    started,
)
from tests.doubles.http_fixture import Served, serving
from tests.doubles.tls import own_certificate
from tests.ports import free_port

Capture = pytest.CaptureFixture[str]
PROMPT = "a monkey with a hat"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client in an empty folder, with nothing set."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)


async def imagine(served: Served, *arguments: str) -> int:
    return await client("imagine", *arguments, "--server", served.url)


async def test_the_picture_lies_in_the_file_that_was_named(tmp_path: Path, capsys: Capture) -> None:
    """Byte for byte as it was painted; standard output holds its name and nothing else."""
    async with serving(tmp_path) as served:
        assert await imagine(served, PROMPT, "-o", "out.png", "--steps", "3", "--seed", "7") == 0
        answer = await served.get("/image", input=PROMPT, steps=3, seed=7)
    assert contents("out.png") == answer.body
    heard = capsys.readouterr()
    assert heard.out == "out.png\n"
    assert heard.err.splitlines()[-1].startswith("512x512, 3 steps, seed 7, alpha, ")


async def test_every_option_reaches_the_painter(tmp_path: Path) -> None:
    """Under A1111's own names; what is not given is the server's to choose."""
    async with serving(tmp_path) as served:
        options = ["--steps=4", "--seed=5", "--width=64", "--height=72", "--cfg-scale=3.5"]
        options += ["--negative-prompt=rain", "--sampler-name=euler A", "--model=beta", "--batch-size=2"]
        assert await imagine(served, PROMPT, *options) == 0
        (request,) = served.double.txt2img_requests
    wanted = {"prompt": PROMPT, "steps": 4, "seed": 5, "width": 64, "height": 72, "cfg_scale": 3.5}
    wanted |= {"negative_prompt": "rain", "sampler_name": "Euler a", "batch_size": 2}
    assert {name: request[name] for name in wanted} == wanted
    assert "beta" in request["override_settings"]["sd_model_checkpoint"]


async def test_without_a_name_the_prompt_makes_one_and_no_file_is_replaced(
    tmp_path: Path, capsys: Capture
) -> None:
    async with serving(tmp_path) as served:
        for _ in range(2):
            assert await imagine(served, PROMPT, "--seed", "7", "-q") == 0
    assert capsys.readouterr() == ("a-monkey-with-a-hat-7.png\na-monkey-with-a-hat-7-2.png\n", "")
    assert sorted(os.listdir()) == ["a-monkey-with-a-hat-7-2.png", "a-monkey-with-a-hat-7.png"]


async def test_several_pictures_are_several_files(tmp_path: Path, capsys: Capture) -> None:
    """Counted from 1, each with its own seed."""
    async with serving(tmp_path) as served:
        assert await imagine(served, PROMPT, "-n", "3", "-o", "out.png", "--seed", "7") == 0
    heard = capsys.readouterr()
    assert heard.out.split() == ["out-1.png", "out-2.png", "out-3.png"]
    assert "3 pictures, " in heard.err
    assert [seed_of(contents(name)) for name in heard.out.split()] == [7, 8, 9]


@pytest.mark.parametrize("quiet", [("-q",), ()])
async def test_fewer_pictures_than_were_asked_for_are_saved_and_no_success(
    tmp_path: Path, capsys: Capture, quiet: tuple[str, ...]
) -> None:
    """Some servers paint one at a time, whatever they are asked for."""
    async with serving(tmp_path) as served:
        assert await imagine(served, f"{PROMPT} /fewer", "-n", "4", "-o", "out.png", *quiet) == 1
    heard = capsys.readouterr()
    assert heard.out == "out-1.png\n"
    assert prompt_of(contents("out-1.png")) == f"{PROMPT} /fewer"
    lines = heard.err.splitlines()
    assert lines[-1] == "sd-b64: incomplete: the server painted 1 of 4 pictures"
    assert len(lines) == 1 if quiet else lines[-2].startswith("1 of 4 pictures, ")


async def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert await client("imagine", PROMPT, "-o", "monkeys/", "--server", served.url) == 0
        assert len(os.listdir("monkeys")) == 1
        deeper = "none/monkeys/"
        assert await client("imagine", PROMPT, "-o", deeper, "--server", served.url) == 2


async def test_json_tells_the_file_and_all_parameters(tmp_path: Path, capsys: Capture) -> None:
    """A line for each picture."""
    async with serving(tmp_path) as served:
        assert await imagine(served, PROMPT, "-n", "2", "--seed", "7", "--json", "-q") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["file"], line["seed"], line["index"], line["count"]) for line in lines] == [
        ("a-monkey-with-a-hat-7.png", 7, 0, 2),
        ("a-monkey-with-a-hat-8.png", 8, 1, 2),
    ]
    assert {"id", "model", "width", "height", "steps", "seconds", "backend", "infotext"} <= set(lines[0])
    assert "image-base64" not in lines[0]


async def test_standard_output_holds_the_picture_and_nothing_else(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Two megabytes of it, while the lines go to standard error."""
    async with serving(tmp_path) as served:
        assert await imagine(served, "a /kb-2000", "-o", "-") == 0
    heard = capfdbinary.readouterr()
    assert len(heard.out) > 2_000_000
    assert prompt_of(heard.out) == "a /kb-2000"
    assert heard.out.endswith(b"IEND\xaeB`\x82")
    assert b"painting on 127.0.0.1:" in heard.err
    assert os.listdir() == []


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
async def test_standard_output_is_the_same_by_its_other_names(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], name: str
) -> None:
    """The file's name came behind the picture; and what such a file had held before was gone."""
    print("before", flush=True)
    async with serving(tmp_path) as served:
        assert await imagine(served, PROMPT, "-o", name) == 0
    heard = capfdbinary.readouterr()
    assert heard.out.startswith(b"before\n\x89PNG")
    assert heard.out.endswith(b"IEND\xaeB`\x82")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "-", "-n", "2"),
        ("-o", "-", "--json"),
        ("-o", "/dev/stdout", "--json"),
        ("-o", "none/out.png"),
        ("--server", "nowhere"),
    ],
)
async def test_what_cannot_work_is_refused_before_anything_is_painted(
    tmp_path: Path, capsys: Capture, arguments: tuple[str, ...]
) -> None:
    async with serving(tmp_path) as served:
        assert await client("imagine", PROMPT, "--server", served.url, *arguments) == 2
        assert served.double.txt2img_requests == []
    assert capsys.readouterr().err.startswith("sd-b64: usage: ")


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "line"),
    [
        ((PROMPT, "--steps", "0"), {}, 2, "invalid_request: steps: a whole number from 1 to 150 is wanted"),
        (("",), {}, 2, "invalid_request: input: the prompt is empty"),
        ((PROMPT, "--model", "gamma"), {}, 2, "unknown_model: no backend has the model 'gamma'; models that"),
        ((PROMPT,), {"api_key": "secret"}, 4, "unauthorized: the API key is missing or wrong"),
        (
            (PROMPT, "--key", "wrong"),
            {"api_key": "secret"},
            4,
            "unauthorized: the API key is missing or wrong",
        ),
        ((PROMPT, "--key", "secret"), {"api_key": "secret"}, 0, ""),
        (("a /fail-500",), {}, 1, "backend_error: "),
        (("a /never",), {"job_timeout": 0.1}, 1, "timeout: "),
    ],
)
async def test_the_exit_code_tells_a_script_what_happened(
    tmp_path: Path,
    capsys: Capture,
    arguments: tuple[str, ...],
    settings: dict[str, Any],
    code: int,
    line: str,
) -> None:
    """With one line for a person that bears the code."""
    async with serving(tmp_path, **settings) as served:
        assert await imagine(served, *arguments, "-q", "-o", "out.png") == code
    heard = capsys.readouterr().err
    assert heard.startswith(f"sd-b64: {line}") if code else heard == ""
    assert heard.count("\n") == bool(code)
    assert os.listdir() == ([] if code else ["out.png"])


async def test_later_is_exit_code_3(tmp_path: Path, capsys: Capture) -> None:
    """A full queue, no painter, no server: nothing is wrong with the request."""
    async with serving(tmp_path, max_queue=1) as served:
        served.double.hold(at=1)
        first = await served.get("/text", input="first", headers={"Prefer": "respond-async"})
        await served.double.until(lambda: served.double.active)
        await served.get("/text", input="second", headers={"Prefer": "respond-async"})
        assert await imagine(served, PROMPT) == 3
        assert "sd-b64: queue_full: " in capsys.readouterr().err
        assert first.status == 202
        served.double.release()
    assert await imagine(served, PROMPT) == 3
    assert capsys.readouterr().err.startswith(
        f"sd-b64: unreachable: {served.url} is not reached: {os.strerror(errno.ECONNREFUSED)}\n"
    )


async def test_a_link_that_is_not_there_is_no_unknown_error(capsys: Capture) -> None:
    """Who looks it up has numbers of its own for faults."""
    assert await client("status", "--server", "http://[fe80::1%25nowhere]:5000") == 3
    assert capsys.readouterr().err.endswith("is not reached: no such host\n")


async def test_why_there_is_no_tls_is_told_in_its_own_words(tmp_path: Path, capsys: Capture) -> None:
    """Its number for the fault means something else to the system."""
    async with serving(tmp_path) as served:
        assert await client("imagine", PROMPT, "--server", served.url.replace("http:", "https:")) == 3
    told = capsys.readouterr().err
    assert " is not reached: [SSL" in told
    assert told.endswith("; is it meant as http?\n")
    context, _ = await own_certificate(tmp_path)
    own = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with own:
        url = f"https://127.0.0.1:{own.sockets[0].getsockname()[1]}"
        assert await client("imagine", PROMPT, "--server", url) == 3
    told = capsys.readouterr().err
    assert "certificate verify failed" in told
    assert "SSL_CERT_FILE=FILE" in told


async def test_without_a_painter_it_is_told_so(tmp_path: Path, capsys: Capture) -> None:
    double = A1111Double()
    double.fault("/", 503)
    async with serving(tmp_path, double=double) as served:
        assert await imagine(served, PROMPT) == 3
    assert capsys.readouterr().err.startswith("sd-b64: no_backend: ")
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (web.Response(text="<html>AirPlay</html>", status=403), "answers 403 Forbidden; is it an sd-b64-api"),
        (web.Response(text="<html>hello</html>"), "answers 200 OK; is it an sd-b64-api server?"),
        (
            web.Response(status=301, headers={"Location": "https://a"}),
            "301 Moved Permanently and leads to",
        ),
        (
            web.Response(text="{}", status=502, content_type="application/problem+json"),
            "502 Bad Gateway: a proxy is there, the service behind it does not answer",
        ),
    ],
)
async def test_what_is_no_server_of_ours_is_said_to_be_none(
    capsys: Capture, answer: web.Response, line: str
) -> None:
    """macOS answers on port 5000 itself, a proxy answers for a server that is gone."""
    assert await against(answer) == 3
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("command", [("imagine", PROMPT), ("status",), ("status", "--watch")])
async def test_a_proxy_that_wants_a_password_is_not_asked_for_ever(
    capsys: Capture, command: tuple[str, ...]
) -> None:
    """As nginx does with auth_basic: no later try would be let in."""
    asks = web.Response(text="<html>401</html>", status=401, headers={"WWW-Authenticate": "Basic"})
    async with everything_answered(asks) as port:
        assert await client(*command, "--server", f"http://127.0.0.1:{port}") == 4
    assert "answers 401 Unauthorized; a proxy before it may want a password" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (404, 3, "answers 404 Not Found; is it an sd-b64-api server?"),
        (502, 3, "answers 502 Bad Gateway: a proxy is there, the service behind it does not answer"),
        (401, 4, "answers 401 Unauthorized; a proxy before it may want a password"),
    ],
)
@pytest.mark.parametrize("command", [("imagine", PROMPT), ("status",)])
async def test_an_error_in_json_is_no_word_of_ours_either(
    capsys: Capture, command: tuple[str, ...], status: int, code: int, line: str
) -> None:
    """As A1111 answers, whose port was taken for ours, or a gateway before us."""
    async with everything_answered(web.json_response({"detail": "no"}, status=status)) as port:
        assert await client(*command, "--server", f"http://127.0.0.1:{port}") == code
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("login", ["user:secret", "user", ":secret", "Jürgen:пароль"])
async def test_a_user_and_a_password_in_the_address_are_what_is_sent(capsys: Capture, login: str) -> None:
    """In UTF-8, as browsers and curl send them; a password may stand alone."""
    heard = asyncio.Queue[str]()

    async def handle(request: web.Request) -> NoReturn:
        heard.put_nowait(request.headers.get("Authorization", ""))
        raise web.HTTPUnauthorized

    app = web.Application()
    app.router.add_get("/status", handle)
    async with on_free_port(app) as port:
        user, colon, password = login.partition(":")
        url = f"http://{quote(user)}{colon}{quote(password)}@127.0.0.1:{port}"
        assert await client("status", "--server", url) == 4
    assert "secret" not in capsys.readouterr().err
    wanted = (login if colon else f"{login}:").encode()
    assert heard.get_nowait() == f"Basic {b64encode(wanted).decode()}"


@pytest.mark.parametrize("command", [("imagine", PROMPT), ("status",)])
@pytest.mark.parametrize("is_named", [False, True])
async def test_who_has_named_no_port_is_told_how_to_find_the_one_that_serve_took(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], is_named: bool
) -> None:
    """`serve` moves on where the usual one is taken; one that was named it does not leave."""
    async with everything_answered(web.Response(text="<html>AirPlay</html>", status=403)) as port:
        monkeypatch.setattr("cli.address.DEFAULT_PORT", port)
        monkeypatch.setenv("HTTP_PORT", str(port) if is_named else "0")
        assert await client(*command) == 3
    said = capsys.readouterr().err
    assert said.endswith("server?\n" if is_named else "it took: --server http://127.0.0.1:PORT\n")


@pytest.mark.parametrize("command", [("imagine", PROMPT), ("status",)])
async def test_who_has_named_no_server_is_told_how_to_start_one(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    port = free_port()
    monkeypatch.setattr("cli.address.DEFAULT_PORT", port)
    monkeypatch.setenv("HTTP_PORT", "0")  # a server may run here, on the usual port
    assert await client(*command) == 3
    how = "; `sd-b64 serve` starts a server here, and --server names another one\n"
    assert capsys.readouterr().err.endswith(how)
    assert await client(*command, "--server", f"http://127.0.0.1:{port}") == 3
    assert how not in capsys.readouterr().err


async def against(answer: web.Response) -> int:
    """The client's exit code where everything is answered so."""
    async with everything_answered(answer) as port:
        return await client("imagine", PROMPT, "--server", f"http://127.0.0.1:{port}")


async def test_a_pipe_gets_a_line_when_something_has_changed(tmp_path: Path, capsys: Capture) -> None:
    """Place, server, what was painted; standard output stays for the name."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(served.get("/text", input="first"))
            await served.double.until(lambda: served.double.active)
            mine = group.create_task(imagine(served, PROMPT, "--seed", "7"))
            await served.until_status(lambda words: words["waiting"] == 1)
            served.double.release()
        assert mine.result() == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "waiting in line: next"
    assert lines[1] == f"painting on {served.double.name}"
    assert lines[-1].startswith("512x512, 20 steps, seed 7, alpha, ")


async def test_a_picture_that_cannot_be_written_is_still_at_the_server(
    tmp_path: Path, capsys: Capture
) -> None:
    """The error tells where; it is no loss to have a full disk."""
    os.mkdir("there")
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with asyncio.TaskGroup() as group:
            mine = group.create_task(imagine(served, PROMPT, "-q", "-o", "there/out.png"))
            await served.double.until(lambda: served.double.active)
            os.rmdir("there")
            served.double.release()
        assert mine.result() == 1
        line = capsys.readouterr().err
        assert line.startswith("sd-b64: unwritable: there/out.png cannot be written: No such file")
        async with ClientSession() as session, session.get(line.split()[-1]) as answer:
            assert prompt_of(await answer.read()) == PROMPT


@pytest.mark.parametrize(("count", "others"), [("1", ""), ("2", "(and 1)"), ("4", "(and 1 to 3)")])
async def test_where_pictures_are_that_were_not_saved_can_be_pasted(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, count: str, others: str
) -> None:
    """The first one's address stands by itself; the others differ in the number."""

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise Failure("unwritable", "the disk is full")

    monkeypatch.setattr("cli.picture_files.save", fail)
    async with serving(tmp_path) as served:
        assert await imagine(served, PROMPT, "-q", "-n", count) == 1
        url, _, rest = capsys.readouterr().err.partition(" for a while: ")[2].strip().partition(" ")
        assert rest == others
        async with ClientSession() as session, session.get(url) as answer:
            assert prompt_of(await answer.read()) == PROMPT


async def test_the_names_of_those_that_were_saved_are_told_though_another_one_was_not(
    tmp_path: Path, capsys: Capture
) -> None:
    """As where the disk becomes full: they lie there."""
    os.mkdir("out-3.png")
    async with serving(tmp_path) as served:
        assert await imagine(served, "a monkey", "-n", "3", "-o", "out.png") == 1
    heard = capsys.readouterr()
    assert heard.out.splitlines() == ["out-1.png", "out-2.png"]
    assert "sd-b64: unwritable: out-3.png cannot be written: " in heard.err


@pytest.mark.slow
async def test_a_picture_whose_name_cannot_be_told_is_said_to_be_saved(tmp_path: Path) -> None:
    """As in `> names.txt` on a full disk: nobody asks for what lies there, under a name that nobody chose."""
    with full_disk() as full:
        async with (
            serving(tmp_path) as served,
            started(Path.cwd(), served.url, "imagine", "a cat", "--seed", "7", "-q", stdout=full) as process,
        ):
            _, said = await process.communicate()
    assert (process.returncode, os.listdir()) == (1, ["a-cat-7.png"])
    assert said.startswith(
        b"sd-b64: unwritable: standard output: No space left on device; saved as a-cat-7.png;"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
async def test_a_reader_that_goes_away_is_one_line(tmp_path: Path) -> None:
    """As in `sd-b64 imagine ... -o - | head -c 10`: no traceback."""
    read, write = os.pipe()
    os.close(read)
    try:
        async with (
            serving(tmp_path) as served,
            started(tmp_path, served.url, "imagine", "a /kb-450", "-q", "-o", "-", stdout=write) as process,
        ):
            _, said = await process.communicate()
    finally:
        os.close(write)
    assert process.returncode == 1
    assert said.startswith(b"sd-b64: unwritable: standard output: Broken pipe; the server keeps")
    assert said.count(b"\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_a_picture_that_is_cut_off_is_no_success(tmp_path: Path, unbuffered: str) -> None:
    """Here by a reader that goes away amid it; PYTHONUNBUFFERED, common in containers, hid it."""
    read, write = os.pipe()
    arguments = ("imagine", "a /kb-450", "-q", "-o", "-")
    try:
        async with (
            serving(tmp_path) as served,
            started(tmp_path, served.url, *arguments, stdout=write, PYTHONUNBUFFERED=unbuffered) as process,
        ):
            assert await asyncio.to_thread(os.read, read, 1000)
            os.close(read)
            _, said = await process.communicate()
    finally:
        os.close(write)
    assert process.returncode == 1
    assert said.startswith(b"sd-b64: unwritable: standard output: ")
    assert b"; the server keeps what it painted for a while: " in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a pipe always waits there")
async def test_a_pipe_that_does_not_wait_gets_the_whole_picture(tmp_path: Path) -> None:
    """As one that another program has set so, which writes to it as well; it takes 64 KB at once."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    arguments = ("imagine", "a /kb-450", "-q", "-o", "-")
    with FileIO(read) as pipe, FileIO(write, "w") as other:
        async with (
            serving(tmp_path) as served,
            started(tmp_path, served.url, *arguments, stdout=write) as process,
        ):
            first = await asyncio.to_thread(pipe.read, 1000)  # it is full by then
            other.close()
            whole = first + await asyncio.to_thread(pipe.readall)
            _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")
    assert prompt_of(whole) == "a /kb-450"
    assert len(whole) > 400_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@pytest.mark.parametrize("broken", ["stdout", "stderr"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_nobody_has_to_listen(tmp_path: Path, broken: str, unbuffered: str) -> None:
    """The picture is saved though its name, or how far it is, can be told to nobody."""
    read, write = os.pipe()
    os.close(read)
    stdout, stderr = (write, PIPE) if broken == "stdout" else (PIPE, write)
    arguments = ("imagine", PROMPT, "-o", "out.png")
    environ = {"PYTHONUNBUFFERED": unbuffered}
    try:
        async with (
            serving(tmp_path) as served,
            started(tmp_path, served.url, *arguments, stdout=stdout, stderr=stderr, **environ) as process,
        ):
            out, said = await process.communicate()
    finally:
        os.close(write)
    assert prompt_of(contents(tmp_path / "out.png")) == PROMPT
    assert process.returncode == 0
    assert b"Traceback" not in (out or b"") + (said or b"")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it tells of no pipe that it is full")
async def test_nobody_has_to_read_how_far_it_is(tmp_path: Path) -> None:
    """Whoever starts it only waits for its end, and the pipe is full one day, as in a long queue."""
    with full_pipe() as unread:
        async with serving(tmp_path) as served:
            arguments = (served.url, "imagine", PROMPT, "-o", "out.png")
            async with started(tmp_path, *arguments, stderr=unread) as process:
                assert await process.wait() == 0
    assert prompt_of(contents(tmp_path / "out.png")) == PROMPT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it tells of no pipe that it is full")
@pytest.mark.parametrize("arguments", [("imagine", PROMPT), ("status",)])
async def test_nobody_has_to_read_what_went_wrong(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Whoever waits for its end would wait for ever."""
    with full_pipe() as unread:
        url = f"http://127.0.0.1:{free_port()}"
        async with started(tmp_path, url, *arguments, stderr=unread) as process:
            async with asyncio.timeout(EVENT_WAIT):
                assert await process.wait() == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("imagine", PROMPT), 3), (("status",), 3), (("imagine",), 2), (("--help",), 0), (("serve",), 2)],
)
async def test_a_script_hears_the_exit_code_though_nobody_reads(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    """Python writes at its end what could not be written before, and would say 120."""
    read, write = os.pipe()
    os.close(read)
    url, environ = f"http://127.0.0.1:{free_port()}", {"PYTHONUNBUFFERED": "", "MAX_QUEUE": "none"}
    try:
        async with started(tmp_path, url, *arguments, stdout=write, stderr=write, **environ) as process:
            assert await process.wait() == code
    finally:
        os.close(write)


async def test_python_m_cli_is_the_same_command(tmp_path: Path) -> None:
    """A process of its own, with the server in a variable."""
    async with (
        serving(tmp_path, api_key="secret") as served,
        started(
            *(tmp_path, served.url, "imagine", PROMPT, "-o", "out.png"),
            program="import runpy; runpy.run_module('cli', run_name='__main__')",
            SD_B64_KEY="secret",
        ) as process,
    ):
        out, said = await process.communicate()
    assert (process.returncode, out) == (0, b"out.png\n"), said
    assert prompt_of(contents(tmp_path / "out.png")) == PROMPT


def test_the_server_s_start_loads_no_client(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Nor does the help: what a command needs is loaded when it runs."""
    for name in [name for name in sys.modules if name.split(".")[0] in {"cli", "rich"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", ["sd-b64", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "imagine" in capsys.readouterr().out
    assert "rich" not in sys.modules
    assert "cli.imagine" not in sys.modules
