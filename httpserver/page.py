"""`/` and `/static/NAME`: the web page, as it lies in `httpserver/static`.

It is served as it is: no build step, and nothing from elsewhere. POLICY says what it may do: run our own
modules and no others, speak to this server, show pictures that it holds itself.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from aiohttp import web

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""The Content-Security-Policy: a prompt or a model's name that is HTML stays a text, whatever happens."""
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Told here and not by the system's own table, in which Windows may have another type for `.js`."""
PAGE = "index.html"


async def get_page(_request: web.Request) -> web.StreamResponse:
    """The page itself."""
    return _answer(PAGE)


async def get_static(request: web.Request) -> web.StreamResponse:
    """What the page consists of: its style, its modules, its icon."""
    name = request.match_info["name"]
    if name not in contents():
        raise web.HTTPNotFound
    return _answer(name)


@cache
def contents() -> Mapping[str, bytes]:
    """Every file of the page by its name. Read once: all of it is smaller than one picture."""
    found = files("httpserver").joinpath("static").iterdir()
    return {file.name: file.read_bytes() for file in found if _ending(file.name) in TYPES}


def _answer(name: str) -> web.Response:
    answer = web.Response(body=contents()[name], content_type=TYPES[_ending(name)], charset="utf-8")
    if name == PAGE:  # by whichever of its addresses it is opened
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["Referrer-Policy"] = "no-referrer"
    answer.enable_compression()
    return answer


def _ending(name: str) -> str:
    return name[name.rfind(".") :]
