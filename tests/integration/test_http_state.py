"""`/`, `/catalog`, `/status` and health over real sockets; and `python -m httpserver` as a process."""

import asyncio
import os
import re
import signal
import socket
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.a1111 import A1111Double, prompt_of
from tests.doubles.http_fixture import serving


async def test_the_catalog_tells_what_there_is(tmp_path: Path) -> None:
    """Models, samplers and limits."""
    async with serving(tmp_path, max_steps=50) as served:
        words = (await served.get("/catalog")).json
    assert words["models"] == ["alpha", "beta"]
    assert "Euler a" in words["samplers"]
    assert words["demo"] is False
    assert words["limits"]["steps"] == 50
    assert {"input", "steps", "seed"} <= set(words["parameters"])


async def test_the_status_counts(tmp_path: Path) -> None:
    """Jobs, callers as a number, the backends."""
    async with serving(tmp_path) as served:
        served.double.hold()
        for prompt in "ab":
            await served.get("/text", headers={"Prefer": "respond-async"}, input=prompt)
        await served.until_status(lambda status: status["running"] == 1)
        words = (await served.get("/status")).json
    assert (words["waiting"], words["callers"]) == (1, 1)
    assert words["own"] == {"waiting": 1, "running": 1}
    (backend,) = words["backends"]
    assert (backend["name"], backend["state"]) == (served.double.name, "painting")


async def test_health_is_told(tmp_path: Path) -> None:
    """Alive, and ready where a backend is usable; HEAD is enough."""
    async with serving(tmp_path) as served:
        for path in ("/healthz", "/readyz"):
            assert (await served.get(path)).status == 200
            assert (await served.ask("HEAD", path)).status == 200


class Form(HTMLParser):
    """The names of a page's fields, and the ids that its labels are for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.ids: set[str] = set()
        self.labels: set[str] = set()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag == "label":
            self.labels.add(words["for"])
        if "name" in words and tag in {"input", "select", "textarea"}:
            self.names.add(words["name"])
            self.ids.add(words["id"])


async def test_the_page_is_a_form_that_paints(tmp_path: Path) -> None:
    """Every field has its label; what it sends, empty fields and all, is understood."""
    async with serving(tmp_path) as served:
        page = await served.get("/")
        style = await served.get("/style.css")
        form = Form(page.body.decode())
        query: dict[str, Any] = dict.fromkeys(form.names, "") | {"input": "a", "width": "512", "steps": "3"}
        picture = await served.get("/image", **query)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert {"input", "negative_prompt", "width", "height", "steps", "seed", "model"} <= form.names
    assert form.ids <= form.labels
    assert form.tags.isdisjoint({"script", "style"})
    assert b"SD_BACKENDS" not in page.body
    assert prompt_of(picture.body) == "a"


async def test_the_page_escapes_what_is_not_ours(tmp_path: Path) -> None:
    """A model's name is a stranger's text; so is the Host."""
    double = A1111Double(models=("<script>alert(1)</script>", '"><img src=x>'))
    async with serving(tmp_path, double=double) as served:
        page = await served.get("/", headers={"Host": 'x"<b>@localhost'})
    assert page.status == 200
    form = Form(page.body.decode())
    assert form.tags.isdisjoint({"script", "img", "b"})


async def test_the_page_says_when_nothing_paints(tmp_path: Path) -> None:
    """And how to connect a real server."""
    double = A1111Double()
    double.fault("/", 503)
    async with serving(tmp_path, double=double) as served:
        page = await served.get("/")
    assert b"No painting server can be used" in page.body
    assert b"SD_BACKENDS=" in page.body


# --- as a process


async def start(folder: Path, **environ: str) -> asyncio.subprocess.Process:
    """`python -m httpserver` in an empty folder."""
    root = str(Path(__file__).parents[2])
    inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "httpserver"),
        cwd=folder,
        env={**inherited, "PYTHONPATH": root, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_runs_alone_and_stops_when_told(tmp_path: Path) -> None:
    """One line says where; a signal ends it in good order while a picture is painted."""
    async with A1111Double() as double, asyncio.timeout(20):
        process = await start(tmp_path, SD_BACKENDS=double.url, HTTP_PORT="0")
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line)[1])  # type: ignore[index]
        double.hold()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /text?input=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await double.until(lambda: double.active)
        process.send_signal(signal.SIGTERM)
        double.release()
        answer = await reader.read()
        writer.close()
        _, errors = await process.communicate()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert (tmp_path / "prompt.txt").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, "SD_BACKENDS"),
        ({"SD_BACKENDS": "http://127.0.0.1:9", "HTTP_PORT": "TAKEN"}, "HTTP_PORT"),
        ({"SD_BACKENDS": "http://127.0.0.1:9", "HTTP_HOST": "192.0.2.1", "API_KEY": "k"}, "HTTP_HOST"),
        ({"SD_BACKENDS": "http://127.0.0.1:9", "HTTP_HOST": "0.0.0.0"}, "HTTP_HOST"),
        ({"SD_BACKENDS": "http://127.0.0.1:9", "BIND": "0.0.0.0"}, "BIND"),
    ],
)
async def test_a_setting_that_cannot_be_used_ends_it(
    tmp_path: Path, environ: dict[str, str], names: str
) -> None:
    """With one line that names the variable, and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        chosen = {name: value.replace("TAKEN", port) for name, value in environ.items()}
        process = await start(tmp_path, **chosen)
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().splitlines()[-1].startswith(f"sd-b64: {names}: ")
    assert b"Traceback" not in errors
