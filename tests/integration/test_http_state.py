"""`/`, `/catalog`, `/status` and health over real sockets."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

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
