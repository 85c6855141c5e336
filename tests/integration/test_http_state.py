"""`/`, `/catalog`, `/status` and health over real sockets."""

import asyncio
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from core import FIELDS, BackendAddress, Caller, Settings, connect, proxies
from httpserver.page import contents
from tests.doubles.a1111 import A1111Double, prompt_of
from tests.doubles.http_fixture import serving
from tests.unit.core.examples import soon


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


async def test_the_backends_are_told_of_in_the_order_of_the_setting() -> None:
    """However long each takes to answer the first time."""
    async with A1111Double() as slow, A1111Double() as quick:
        slow.fault("/sdapi/v1/options", "hang")
        addresses = BackendAddress(slow.url), BackendAddress(quick.url)

        async def names() -> list[str]:
            async with connect(Settings(sd_backends=addresses)) as gateway:
                status = await gateway.status(Caller("a"))
                return [backend.offer.backend for backend in status.backends]

        async with asyncio.TaskGroup() as group:
            told = group.create_task(names())
            await quick.until(lambda: quick.count("/sdapi/v1/progress"))  # what a look asks last
            slow.heal()
        assert told.result() == [slow.name, quick.name]


async def test_health_is_told(tmp_path: Path) -> None:
    """Alive, and ready where a backend is usable; HEAD is enough."""
    async with serving(tmp_path) as served:
        for path in ("/healthz", "/readyz"):
            assert (await served.get(path)).status == 200
            assert (await served.ask("HEAD", path)).status == 200


async def test_alive_is_told_while_nobody_tells_a_proxy_s_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a name server that is silent has whoever probes us restart us, with all that waits here."""

    async def silent(_name: str) -> None:
        await asyncio.Future()

    monkeypatch.setattr(proxies, "_resolve", silent)
    async with serving(tmp_path, trusted_proxies=("nginx",)) as served:
        assert (await soon(served.get("/healthz"))).status == 200


class Form(HTMLParser):
    """What a page's form sends when nobody touches it: its fields' names and values, without any script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.action = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = {name: value or "" for name, value in attrs}
        self.action = words.get("action", self.action)
        if tag in {"input", "textarea", "select"} and "name" in words:
            self.fields[words["name"]] = words.get("value", "")


async def test_the_page_paints_without_scripts(tmp_path: Path) -> None:
    """Its form is one of `/image`: what it sends, empty fields and all, is understood."""
    async with serving(tmp_path) as served:
        page = await served.get("/")
        form = Form(page.body.decode())
        query: dict[str, Any] = {**form.fields, "input": "a", "batch_size": "1"}
        picture = await served.get(f"/{form.action}", **query)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert {"input", *FIELDS} == set(form.fields)
    assert prompt_of(picture.body) == "a"


async def test_the_page_s_files_are_served_and_nothing_else(tmp_path: Path) -> None:
    """Compressed for who takes that; a name that leads elsewhere leads nowhere."""
    async with serving(tmp_path) as served:
        module = await served.get("/static/main.js")
        assert module.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert module.headers["X-Content-Type-Options"] == "nosniff"
        assert module.headers["Content-Encoding"] in {"gzip", "deflate"}
        assert module.body == contents()["main.js"]
        for path in ("/static/", "/static/none.js", "/static/%2e%2e/page.py", "/static/..%2fpage.py"):
            assert (await served.get(path)).refusal == (404, "not_found")
