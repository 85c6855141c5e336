"""`Accept: text/event-stream`: the events of a job, as they come."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from httpserver import stream
from tests.doubles.a1111 import prompt_of, seed_of
from tests.doubles.http_fixture import Event, Served, serving

STREAM = {"Accept": "text/event-stream"}


async def all_events(served: Served, path: str, **query: Any) -> list[Event]:
    """A whole stream."""
    async with served.events(path, **query) as events:
        return [event async for event in events]


async def test_a_stream_over_http_1_0_ends_with_its_connection(tmp_path: Path) -> None:
    """Such a client knows no other end, also where it asks to keep the connection."""
    async with serving(tmp_path) as served, asyncio.timeout(10):
        head = "GET /text?input=a HTTP/1.0\r\nAccept: text/event-stream\r\nConnection: keep-alive\r\n\r\n"
        answer = await served.send(head.encode())
        assert answer.endswith(b"}\nid: over\n\n")


@pytest.mark.parametrize("path", ["/text", "/image"])
async def test_a_stream_tells_a_job_s_life(tmp_path: Path, path: str) -> None:
    """Named as the websocket's types: queued, started, progress, the picture; then it ends."""
    async with serving(tmp_path) as served:
        served.double.hold(at=10)
        async with served.events(path, input="a", steps="20") as events:
            queued = await anext(events)
            assert queued.name == queued.words["type"] == "queued"
            names = [queued.name]
            async for event in events:
                names.append(event.name)
                if event.name == "progress" and event.words["step"] == 10:
                    assert event.words["progress"] == 0.5
                    assert "preview-base64" not in event.words
                    served.double.release()
            assert names[:2] == ["queued", "started"]
            assert "progress" in names
            assert names[-1] == "image"
            assert event.words["id"] == queued.words["id"]
            assert prompt_of(event.words["image-base64"]) == "a"


async def test_previews_are_for_those_who_ask(tmp_path: Path) -> None:
    """With `preview` a progress bears one."""
    async with serving(tmp_path) as served:
        served.double.hold(at=10)
        async with served.events("/text", input="a", preview="true") as events:
            async for event in events:
                if event.words.get("preview-base64"):
                    served.double.release()
                    break
            else:
                raise AssertionError("no preview came")
            assert [event.name async for event in events][-1] == "image"


async def test_each_picture_of_a_batch_is_an_event(tmp_path: Path) -> None:
    """With its index and its own seed."""
    async with serving(tmp_path) as served:
        events = await all_events(served, "/text", input="a", batch_size="3", seed="40")
    pictures = [event.words for event in events if event.name == "image"]
    assert [words["index"] for words in pictures] == [0, 1, 2]
    assert [seed_of(words["image-base64"]) for words in pictures] == [40, 41, 42]
    assert {words["count"] for words in pictures} == {3}


async def test_a_job_that_fails_ends_its_stream_with_an_error(tmp_path: Path) -> None:
    """The stream had begun, so it is an event."""
    async with serving(tmp_path) as served:
        events = await all_events(served, "/text", input="/fail-500")
    assert events[-1].name == "error"
    assert events[-1].words["code"] == "backend_error"


async def test_a_refusal_before_the_stream_is_an_ordinary_error(tmp_path: Path) -> None:
    """It has its status."""
    async with serving(tmp_path) as served:
        for query in ({"input": ""}, {"input": "a", "steps": "0"}):
            assert (await served.get("/text", headers=STREAM, **query)).refusal == (400, "invalid_request")
        answer = await served.get("/text", headers=STREAM, input="a", model="gamma")
        assert answer.refusal == (404, "unknown_model")
        assert (await served.get("/jobs/nobody", headers=STREAM)).refusal == (404, "not_found")


async def test_a_job_can_be_watched_by_its_id(tmp_path: Path) -> None:
    """Its last state comes first; a finished one's is its picture."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        begun = await served.get("/text", headers={"Prefer": "respond-async"}, input="a")
        path = begun.headers["Location"]
        await served.double.until(lambda: served.double.active)
        async with served.events(path) as events:
            assert (await anext(events)).name in {"started", "progress"}
            served.double.release()
            assert [event.name async for event in events][-1] == "image"
        assert [event.name for event in await all_events(served, path)] == ["image"]


async def test_a_stream_ends_when_its_client_prefers(tmp_path: Path) -> None:
    """`wait=0` is a look: the last word, or the pictures where they are there. The job goes on."""
    look = {"Prefer": "wait=0"}
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        begun = await all_events(served, "/text", headers=look, input="a")
        assert [event.name for event in begun] == ["queued"]
        path = f"/jobs/{begun[0].words['id']}"
        async with served.events(path) as events:
            while (await anext(events)).name != "progress":
                pass
        assert [event.name for event in await all_events(served, path, headers=look)] == ["progress"]
        served.double.release()
        async with served.events(path, headers={"Prefer": "wait=60"}) as events:
            assert [event.name async for event in events][-1] == "image"
        assert [event.name for event in await all_events(served, path, headers=look)] == ["image"]


async def test_a_cancelled_job_says_so(tmp_path: Path) -> None:
    """And its stream ends."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with served.events("/text", input="a") as events:
            id = (await anext(events)).words["id"]
            assert (await served.ask("DELETE", f"/jobs/{id}")).json["state"] == "cancelled"
            assert [event async for event in events][-1] == Event(
                "cancelled", {"type": "cancelled", "id": id}
            )


async def test_silence_is_broken_by_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As comments, so that no proxy takes the connection for dead; nothing is buffered on the way."""
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with served.client.get(f"{served.url}/text", params={"input": "a"}, headers=STREAM) as response:
            assert response.headers["X-Accel-Buffering"] == "no"
            assert response.headers["Cache-Control"] == "no-store"
            text = b""
            while text.count(b": the job goes on\n") < 3:
                text += await response.content.readany()
            served.double.release()
            text += await response.content.read()
    blocks = text.split(b"\n\n")
    assert blocks.pop() == b""
    assert all(b"\ndata: {" in block for block in blocks), "one without data is an event of nothing to some"
    first, *later = (re.findall(rb"^id: (.*)$", block, re.M) for block in blocks)
    assert first == [json.loads(blocks[0].split(b"\ndata: ")[1])["id"].encode()]
    assert later == [[]] * (len(blocks) - 2) + [[b"over"]]
    assert text.endswith(b"}\nid: over\n\n"), "behind the picture: who has the id has that too"


async def test_a_browser_that_comes_again_by_itself_is_stopped(tmp_path: Path) -> None:
    """EventSource reconnects after every end, with the last id: it must not have it painted anew."""
    async with serving(tmp_path) as served:
        again = {**STREAM, "Last-Event-ID": "over"}
        for path in ("/text?input=a", "/jobs/whatever"):
            async with served.client.get(served.url + path, headers=again) as response:
                assert response.status == 204
        assert served.double.txt2img_requests == []


async def test_a_browser_that_lost_its_connection_follows_the_same_job(tmp_path: Path) -> None:
    """EventSource asks the same again, with the last id that it was told: that is its job's."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with served.client.get(
            f"{served.url}/text", params={"input": "a", "keep": "true"}, headers=STREAM
        ) as response:
            text = b""
            while b"\nid: " not in text or not text.endswith(b"\n\n"):
                text += await response.content.readany()
        id = text.split(b"\nid: ")[1].split(b"\n")[0].decode()
        again = {"Last-Event-ID": id}
        async with served.events("/text", headers=again, input="a", keep="true") as events:
            first = await anext(events)
            assert first.words["id"] == id
            served.double.release()
            assert [event.name async for event in events][-1] == "image"
        assert len(served.double.txt2img_requests) == 1


@pytest.mark.parametrize("last", ["0" * 32, "", "\udcff", "of another server"])
async def test_a_browser_whose_job_is_gone_has_it_painted(tmp_path: Path, last: str) -> None:
    async with (
        serving(tmp_path) as served,
        served.events("/text", headers={"Last-Event-ID": last}, input="a") as events,
    ):
        assert [event.name async for event in events][-1] == "image"


async def test_a_browser_comes_again_to_a_server_that_was_about_to_stop(tmp_path: Path) -> None:
    """The job lives on behind another replica, or is asked for anew: so the stream is not called over."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        await served.get("/text", headers={"Prefer": "respond-async"}, input="painted")
        async with served.client.get(
            f"{served.url}/text", params={"input": "waits"}, headers=STREAM
        ) as response:
            text = await response.content.readany()
            async with asyncio.TaskGroup() as group:
                group.create_task(served.gateway.drain(10))
                text += await response.content.read()
                served.double.release()
        assert b"shutting_down" in text
        assert b"\nid: " in text
        assert b"id: over" not in text


async def test_a_post_can_be_streamed_too(tmp_path: Path) -> None:
    """To a client of HTTP/1.0 as well, which ends with the connection."""
    body = json.dumps({"input": "a"}).encode()
    head = b"POST /text HTTP/1.0\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
    async with serving(tmp_path) as served:
        answer = await served.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert b"200 OK" in answer
    assert b"event: image\ndata: {" in answer
    assert answer.count(b"\nid: ") == 2
    assert b"chunked" not in answer
