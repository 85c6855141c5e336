"""The web page's files: what is served and how, and that what they name is there."""

import re
from html.parser import HTMLParser

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler

from core import ERRORS
from httpserver.page import POLICY, contents, get_page, get_static

FILES = {name: content.decode() for name, content in contents().items()}
MODULES = sorted(name for name in FILES if name.endswith(".js"))
HTML = FILES["index.html"]
MOST_BYTES = 60_000


class Tags(HTMLParser):
    """Every tag of the page with its attributes; what stands in <script> and <style>."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inline = ""
        self.feed(HTML)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in {"script", "style"}:
            self.inline += data.strip()

    def values(self, attribute: str) -> list[str]:
        return [words[attribute] for _, words in self.tags if attribute in words]


@pytest.mark.parametrize(
    ("get", "path", "names"),
    [(get_page, "/", {}), (get_static, "/static/index.html", {"name": "index.html"})],
)
async def test_the_page_comes_with_its_policy(get: Handler, path: str, names: dict[str, str]) -> None:
    """Scripts and styles from here alone, none of them inline, and no HTML out of a string.

    The address that it has as a file is one of its own: a page there speaks for the same origin.
    """
    answer = await get(make_mocked_request("GET", path, match_info=names))
    assert isinstance(answer, web.Response)
    assert answer.content_type == "text/html"
    assert answer.body == contents()["index.html"]
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in POLICY
    assert "require-trusted-types-for 'script'" in POLICY
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    ("name", "kind"),
    [("main.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
async def test_a_file_has_its_type_on_every_system(name: str, kind: str) -> None:
    """A module of another type would not be run."""
    answer = await get_static(make_mocked_request("GET", f"/static/{name}", match_info={"name": name}))
    assert answer.content_type == kind


@pytest.mark.parametrize("name", ["", "..", "../page.py", "nothing.js", "page.py", "main.js/"])
async def test_nothing_else_is_served(name: str) -> None:
    """Whatever the name says, only the page's own files are there."""
    with pytest.raises(web.HTTPNotFound):
        await get_static(make_mocked_request("GET", "/static/x", match_info={"name": name}))


def test_all_together_it_is_small() -> None:
    """As it lies there, before any compression."""
    assert sum(map(len, contents().values())) < MOST_BYTES


def test_every_error_is_said_in_words() -> None:
    """But what only the websocket says, and what has a state of its own: no key yet, cancelled, soon over."""
    others = {"rate_limited", "unauthorized", "cancelled", "queue_unavailable", "shutting_down"}
    said = set(re.findall(r"^\t(\w+): (?:\[|GONE)", FILES["words.js"], re.MULTILINE))
    assert set(ERRORS) - others <= said


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    """The policy would refuse it; every address is relative, so that a proxy may put the page anywhere."""
    page = Tags()
    assert page.inline == ""
    assert not [name for _, words in page.tags for name in words if name.startswith("on") or name == "style"]
    addresses = page.values("src") + page.values("action")
    addresses += [value for value in page.values("href") if not value.startswith("#")]
    assert {address.removeprefix("static/") for address in addresses} - {"image"} <= set(FILES)
    for name in (*MODULES, "style.css"):
        assert not re.search(r"\burl\(|@import|https?://", FILES[name].replace("http://127.0.0.1", "")), name


def test_what_is_named_is_there() -> None:
    """Ids that labels, icons and modules name; parts of templates; names that modules import; each once."""
    page = Tags()
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    named = page.values("for") + page.values("aria-labelledby")
    named += [value[1:] for value in page.values("href") if value.startswith("#")]
    code = "\n".join(FILES[name] for name in MODULES)
    named += re.findall(r'(?:byId|build)\("([\w-]+)"\)', code)
    assert set(named) <= set(ids)
    for name in MODULES:
        for names, other in re.findall(r'^import \{ (.*) \} from "\./(.*)";$', FILES[name], re.MULTILINE):
            exported = re.findall(
                r"^export (?:async )?(?:function\*?|const|class) (\w+)", FILES[other], re.MULTILINE
            )
            assert set(names.split(", ")) <= set(exported), f"{name} imports from {other}"


@pytest.mark.parametrize("name", MODULES)
def test_text_stays_text(name: str) -> None:
    """No module makes HTML or code out of a string."""
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc"
    )
    assert not re.search(forbidden, FILES[name])


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for(name: str) -> None:
    """In its first lines; it is short, and so are its lines."""
    text = FILES[name]
    assert text.startswith("/**")
    assert text.count("\n") < 300
    assert max(map(len, text.splitlines())) <= 135
