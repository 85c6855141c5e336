"""How the service is: `/catalog`, `/status`, `/healthz`, `/readyz`."""

from aiohttp import web

from core import NoBackend, ShuttingDown
from core.wire import catalog_words, status_words
from httpserver.answers import words_answer
from httpserver.keys import GATEWAY, LIMITS, VISITOR


async def get_catalog(request: web.Request) -> web.StreamResponse:
    """Models, samplers and limits: what a request may ask for."""
    return words_answer(catalog_words(await request.app[GATEWAY].catalog(), request.app[LIMITS]))


async def get_status(request: web.Request) -> web.StreamResponse:
    """What waits and runs, and how the backends are."""
    return words_answer(status_words(await request.app[GATEWAY].status(request[VISITOR].caller)))


async def get_healthz(_request: web.Request) -> web.StreamResponse:
    """The process is alive."""
    return words_answer({"status": "ok"})


async def get_readyz(request: web.Request) -> web.StreamResponse:
    """New work would be taken and painted; an error where not."""
    gateway = request.app[GATEWAY]
    if gateway.draining:
        raise ShuttingDown("about to stop: no new work is taken")
    if not (await gateway.catalog()).takes_work:
        raise NoBackend("no painting server can be used at the moment")
    return words_answer({"status": "ready"})
