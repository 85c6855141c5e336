"""HTTP and the websocket stand on the same jobs: each watches, fetches and ends what began on the other."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

import httpserver.server
from tests.doubles.pictures import prompt_of
from tests.doubles.ws_fixture import Served, serving


@asynccontextmanager
async def both() -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    """The websocket, and a client of the HTTP that runs beside it, as in `serve`."""
    async with (
        serving(prompt_file="") as served,
        httpserver.server.listen(served.gateway, served.settings, port=0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        yield served, http


async def test_one_idempotency_key_is_one_painting_on_both_wires() -> None:
    """The header's word and the field's: the second one attaches, also while the first is painted."""
    async with both() as (served, http), served.client() as client:
        served.double.hold()
        await client.say(input="a monkey", idempotency_key="k")
        await client.hear("started")
        headers = {"Idempotency-Key": "k"}
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(http.get("/text", params={"input": "a monkey"}, headers=headers))
            served.double.release()
        over_http, over_websocket = await answer.result().json(), await client.hear("image")
        assert over_http["image-base64"] == over_websocket["image-base64"]
        assert over_http["id"] == over_websocket["id"]
        async with http.get("/text", params={"input": "another"}, headers=headers) as other:
            assert (await other.json(content_type=None))["code"] == "invalid_request"
        assert len(served.double.paintings) == 1


async def test_a_job_of_http_is_watched_and_cancelled_over_the_websocket() -> None:
    async with both() as (served, http), served.client() as client:
        served.double.hold()
        async with http.get("/text", params={"input": "a"}, headers={"Prefer": "respond-async"}) as answer:
            assert answer.status == 202
            place = answer.headers["Location"]
        await client.say(type="attach", id=place.rpartition("/")[2])
        await client.hear("started", "progress")
        await client.say(type="cancel", id=place.rpartition("/")[2])
        assert (await client.hear())["type"] == "cancelled"
        async with http.get(place) as answer:
            assert (await answer.json())["state"] == "cancelled"


async def test_a_kept_job_of_the_websocket_is_fetched_over_http() -> None:
    """Also after its client has hung up."""
    async with both() as (served, http):
        served.double.hold()
        async with served.client() as client:
            await client.say(input="a monkey", keep=True)
            id = (await client.hear("started"))["id"]
        served.double.release()
        async with http.get(f"/jobs/{id}/images/0") as picture, http.get(f"/jobs/{id}") as job:
            assert prompt_of(await picture.read()) == "a monkey"
            assert base64.b64decode((await job.json())["image-base64"]) == await picture.read()
