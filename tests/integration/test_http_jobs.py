"""Jobs over HTTP: answered later, asked for again, cancelled, and left by clients who hang up."""

import asyncio
import base64
from pathlib import Path

import pytest

from core import Caller
from httpserver import listen, server
from tests.doubles.a1111 import prompt_of
from tests.doubles.http_fixture import Answer, Served, serving

LATER = {"Prefer": "respond-async"}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


async def begin(served: Served, prompt: str, **query: str) -> str:
    """Submit a job that is answered later; its id."""
    answer = await served.get("/text", headers=LATER, input=prompt, **query)
    assert answer.status == 202
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"
    assert answer.headers["Preference-Applied"] == "respond-async"
    return str(answer.json["id"])


async def hold_one(served: Served) -> str:
    """A job of somebody's that is painted and does not get on; its id."""
    served.double.hold(at=1)
    id = await begin(served, "the one that holds")
    await served.double.until(lambda: served.double.active)
    return id


async def finished(served: Served, id: str) -> Answer:
    """A job's state at its end."""
    return await served.get(f"/jobs/{id}", headers={"Prefer": "wait=10"})


# --- answered later


async def test_a_job_goes_its_way_and_is_fetched(tmp_path: Path) -> None:
    """Waiting, running, completed: each with its state; then the result, as often as it is wanted."""
    async with serving(tmp_path) as served:
        first = await hold_one(served)
        second = await begin(served, "a monkey", batch_size="2", seed="7")
        running, waiting = await served.get(f"/jobs/{first}"), await served.get(f"/jobs/{second}")
        assert running.json["state"] == "running"
        assert running.json["type"] in {"started", "progress"}
        assert (waiting.json["state"], waiting.json["type"]) == ("waiting", "queued")
        assert waiting.json["position"] == 0
        served.double.release()
        done = await finished(served, second)
        assert (done.json["state"], done.json["id"], done.json["seed"]) == ("completed", second, 7)
        assert done.body.startswith(b'{"image-base64":"')
        assert (await served.get(f"/jobs/{second}")).body == done.body
        pictures = [await served.get(f"/jobs/{second}/images/{number}") for number in range(3)]
        assert pictures[0].body == base64.b64decode(done.json["image-base64"])
        assert pictures[1].body == base64.b64decode(done.json["further-images-base64"][0])
        assert pictures[1].headers["Content-Type"] == "image/png"
        assert pictures[2].refusal == (404, "not_found")
        assert pictures[2].json["detail"] == "pictures of this job: 2; they are counted from 0"


async def test_who_asks_again_and_again_sees_how_far_it_is(tmp_path: Path) -> None:
    """Each question makes the server be asked, so the next one hears of what was painted since."""
    async with serving(tmp_path) as served:
        id = await hold_one(served)
        for step in (3, 7):
            served.double.hold(at=step)
            await served.double.until(lambda: served.double.active and served.double.active.is_held)
            told = (await served.get(f"/jobs/{id}")).json
            async with asyncio.timeout(10):
                while told.get("step") != step:
                    asked = served.double.count("/internal/progress")
                    await served.get(f"/jobs/{id}")
                    await served.double.until(lambda: served.double.count("/internal/progress") > asked)  # noqa: B023
                    told = (await served.get(f"/jobs/{id}")).json
            assert (told["type"], told["state"], told["steps"]) == ("progress", "running", 20)
        served.double.release()
        assert (await finished(served, id)).status == 200


async def test_who_can_wait_a_while_gets_the_picture_at_once(tmp_path: Path) -> None:
    """`wait` beside `respond-async`: 202 only if it takes longer."""
    async with serving(tmp_path) as served:
        quick = await served.get("/image", headers={"Prefer": "respond-async, wait=10"}, input="a")
        assert quick.headers["Content-Type"] == "image/png"
        served.double.hold()
        slow = await served.get("/image", headers=LATER, input="a")
        assert slow.status == 202
        served.double.release()
        assert (await finished(served, slow.json["id"])).status == 200


async def test_a_picture_that_is_asked_for_early_is_waited_for(tmp_path: Path) -> None:
    """So that its address can stand in a page from the start."""
    async with serving(tmp_path) as served:
        id = await hold_one(served)
        asked = asyncio.create_task(served.get(f"/jobs/{id}/images/0"))
        served.double.release()
        assert prompt_of((await asked).body) == "the one that holds"


async def test_a_failed_job_is_a_state_and_its_picture_an_error(tmp_path: Path) -> None:
    """The job can be asked for: 200. A picture of it cannot be given: the error."""
    async with serving(tmp_path) as served:
        id = await begin(served, "/fail-500")
        job = await finished(served, id)
        picture = await served.get(f"/jobs/{id}/images/0")
    assert (job.status, job.json["state"], job.json["code"]) == (200, "failed", "backend_error")
    assert job.json["message"]
    assert picture.refusal == (502, "backend_error")


@pytest.mark.parametrize(("prompt", "field"), [("/422", "steps"), ("/404-sampler", "sampler_name")])
async def test_what_the_painting_server_refuses_is_named(tmp_path: Path, prompt: str, field: str) -> None:
    """As what is refused here: by its field, on every wire."""
    async with serving(tmp_path) as served:
        answer = await served.get("/text", input=prompt)
        job = await finished(served, await begin(served, prompt))
    assert answer.refusal == (400, "invalid_request")
    assert (answer.json["field"], job.json["field"]) == (field, field)


async def test_unknown_jobs_are_not_found_and_old_ones_expired(tmp_path: Path) -> None:
    """A result that had to make room for a newer one is gone, and known to be so."""
    async with serving(tmp_path, result_max_bytes=5000) as served:
        first, second = await begin(served, "first"), await begin(served, "second")
        assert (await finished(served, second)).status == 200
        for path in ("/jobs/nobody", "/jobs/nobody/images/0", "/jobs/%ff%00", f"/jobs/{'0' * 32}"):
            assert (await served.get(path)).refusal == (404, "not_found")
        assert (await served.get(f"/jobs/{first}")).refusal == (410, "expired")
        assert (await served.ask("DELETE", f"/jobs/{first}")).refusal == (410, "expired")
        assert (await served.ask("DELETE", "/jobs/nobody")).refusal == (404, "not_found")
        for path in (f"/jobs/{second}?keep=1", f"/jobs/{second}/images/0?x=1"):
            assert (await served.get(path)).refusal == (400, "invalid_request")
        for path in (f"/jobs/{second}/images/-1", f"/jobs/{second}/images/one", f"/jobs/{second}/images"):
            assert (await served.get(path)).refusal == (404, "not_found")


# --- cancelled


async def test_a_job_is_cancelled(tmp_path: Path) -> None:
    """A waiting one never reaches a backend, a running one is interrupted; who waits for them is told."""
    async with serving(tmp_path) as served:
        running = await hold_one(served)
        waiting = await begin(served, "waits")
        waiter = asyncio.create_task(served.get(f"/jobs/{running}/images/0"))
        for id in (waiting, running, running):
            gone = await served.ask("DELETE", f"/jobs/{id}")
            assert (gone.status, gone.json) == (200, {"type": "cancelled", "id": id, "state": "cancelled"})
        assert (await waiter).refusal == (409, "cancelled")
        await served.double.until(lambda: served.double.interrupts)
        assert (await served.get(f"/jobs/{running}")).json["state"] == "cancelled"
        assert [request["prompt"] for request in served.double.txt2img_requests] == ["the one that holds"]


async def test_a_completed_job_cannot_be_cancelled_any_more(tmp_path: Path) -> None:
    """The answer says what became of it, without its pictures."""
    async with serving(tmp_path) as served:
        id = await begin(served, "a")
        await finished(served, id)
        answer = await served.ask("DELETE", f"/jobs/{id}")
        assert (answer.status, answer.json["state"], answer.json["type"]) == (200, "completed", "completed")
        assert "image-base64" not in answer.json


async def test_who_cancels_a_job_that_had_ended_does_not_wait_for_its_next_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody asks for the same again before it is looked at how it had ended."""
    async with serving(tmp_path) as served, asyncio.timeout(10):
        await hold_one(served)
        id = (await served.get("/text", headers={**KEY, **LATER}, input="a")).json["id"]
        assert (await served.ask("DELETE", f"/jobs/{id}")).json["state"] == "cancelled"
        cancel = served.gateway.cancel

        async def and_again(id: str, caller: Caller) -> bool:
            ended = await cancel(id, caller)
            assert (await served.get("/text", headers={**KEY, **LATER}, input="a")).json["id"] == id
            return ended

        monkeypatch.setattr(served.gateway, "cancel", and_again)
        answer = await served.ask("DELETE", f"/jobs/{id}")
        assert (answer.status, answer.json["state"]) == (200, "waiting")


async def test_only_its_caller_may_cancel_a_job(tmp_path: Path) -> None:
    """Callers are addresses, as the trusted proxy reports them: the right-most one it does not know."""
    async with serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served:
        served.double.hold()
        mine = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
        theirs = {"X-Forwarded-For": "203.0.113.7, 198.51.100.9"}
        answer = await served.get("/text", headers={**LATER, **mine}, input="mine")
        path = answer.headers["Location"]
        assert (await served.ask("DELETE", path, headers=theirs)).refusal == (403, "forbidden")
        assert (await served.get(path, headers=theirs)).status == 200
        assert (await served.ask("DELETE", path, headers=mine)).json["state"] == "cancelled"


# --- the same request twice


async def test_the_same_key_is_painted_once(tmp_path: Path) -> None:
    """Also while the first still runs; both get the same picture, and so does who comes later."""
    async with serving(tmp_path) as served:
        served.double.hold(at=3)
        first = asyncio.create_task(served.get("/text", headers=KEY, input="a"))
        await served.double.until(lambda: served.double.active)
        second = asyncio.create_task(served.ask("POST", "/text", headers=KEY, body={"input": "a"}))
        async with served.events("/text", headers=KEY, input="a") as events:
            while (await anext(events)).words.get("step") != 3:
                pass
        async with asyncio.timeout(5):
            third = await served.get("/text", headers={**KEY, **LATER}, input="a")
        assert (third.status, third.json["state"], third.json["step"]) == (202, "running", 3)
        served.double.release()
        answers = [await first, await second, await served.get("/text", headers=KEY, input="a")]
        assert len({answer.body for answer in answers}) == 1
        assert answers[0].json["id"] == third.json["id"]
        assert len(served.double.txt2img_requests) == 1


async def test_the_same_key_is_painted_once_though_the_first_caller_hangs_up(tmp_path: Path) -> None:
    """A key implies keep: that is what it is for."""
    async with serving(tmp_path) as served:
        served.double.hold()
        async with served.events("/text", headers=KEY, input="a") as events:
            assert (await anext(events)).name == "queued"
            await served.double.until(lambda: served.double.active)
        again = asyncio.create_task(served.get("/text", headers=KEY, input="a"))
        served.double.release()
        assert (await again).status == 200
        assert len(served.double.txt2img_requests) == 1
        assert served.double.interrupts == []


async def test_a_key_belongs_to_one_request_and_one_caller(tmp_path: Path) -> None:
    """Another request with it is a mistake; a failed one is painted anew; an unusable key is refused."""
    async with serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served:
        first = await served.get("/text", headers=KEY, input="a")
        assert (await served.get("/text", headers=KEY, input="b")).refusal == (400, "invalid_request")
        other = {**KEY, "X-Forwarded-For": "203.0.113.7"}
        assert (await served.get("/text", headers=other, input="a")).json["id"] != first.json["id"]
        again = {"Idempotency-Key": "again"}
        assert (await served.get("/text", headers=again, input="/fail-500")).status == 502
        assert (await served.get("/text", headers=again, input="/fail-500")).status == 502
        unusable = await served.get("/text", headers={"Idempotency-Key": "x" * 256}, input="a")
        assert unusable.refusal == (400, "invalid_request")
        assert unusable.json["field"] == "Idempotency-Key"
        assert [request["prompt"] for request in served.double.txt2img_requests].count("a") == 2


async def test_a_proxy_may_repeat_a_request(tmp_path: Path) -> None:
    """The same X-Request-ID from a trusted one attaches; it is no Idempotency-Key, and is not kept."""
    async with serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served:
        served.double.hold()
        traced = {"X-Request-ID": KEY["Idempotency-Key"]}
        first = asyncio.create_task(served.get("/text", headers=traced, input="a"))
        await served.double.until(lambda: served.double.active)
        second = asyncio.create_task(served.get("/text", headers=traced, input="a"))
        keyed = await served.get("/text", headers={**KEY, **LATER}, input="a")
        served.double.release()
        assert (await first).body == (await second).body
        id = (await first).json["id"]
        assert keyed.json["id"] != id
        assert (await served.get(f"/jobs/{id}")).refusal[0] in {404, 410}
        assert (await finished(served, keyed.json["id"])).status == 200
        assert len(served.double.txt2img_requests) == 2
        too_long = {"X-Request-ID": "x" * 1000}
        assert (await served.get("/text", headers=too_long, input="a")).status == 200


async def test_another_request_under_the_same_id_of_a_proxy_is_another_job(tmp_path: Path) -> None:
    """It may hand on its client's own id, the same for all that this one does; nobody sent a key."""
    async with serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served:
        served.double.hold()
        traced = {"X-Request-ID": "trace-1"}
        first = asyncio.create_task(served.get("/text", headers=traced, input="a"))
        await served.double.until(lambda: served.double.active)
        second = asyncio.create_task(served.get("/text", headers=traced, input="a", seed=7))
        await served.until_status(lambda status: status["waiting"] == 1)
        served.double.release()
        assert [(await first).status, (await second).status] == [200, 200]
        assert (await first).json["id"] != (await second).json["id"]


async def test_a_stranger_s_request_id_means_nothing(tmp_path: Path) -> None:
    """Without a trusted proxy two requests are two pictures."""
    async with serving(tmp_path) as served:
        headers = {"X-Request-ID": "1"}
        answers = [await served.get("/text", headers=headers, input="a") for _ in range(2)]
    assert answers[0].json["id"] != answers[1].json["id"]


# --- hang-ups

GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_a_waiting_job_whose_client_hangs_up_never_reaches_a_backend(tmp_path: Path) -> None:
    """It is gone from the queue."""
    async with serving(tmp_path) as served:
        await hold_one(served)
        async with served.connection(GET % b"/text?input=left"):
            await served.until_status(lambda status: status["waiting"] == 1)
        await served.until_status(lambda status: status["waiting"] == 0)
        served.double.release()
        await served.until_status(lambda status: status["running"] == 0)
        assert [request["prompt"] for request in served.double.txt2img_requests] == ["the one that holds"]


@pytest.mark.parametrize("path", [b"/text?input=left", b"/image?input=left"])
async def test_a_running_job_whose_client_hangs_up_is_interrupted(tmp_path: Path, path: bytes) -> None:
    """That one and no other; nothing is logged as a fault."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with served.connection(GET % path):
            await served.double.until(lambda: served.double.active)
            task = served.double.paintings[0].task
        await served.double.until(lambda: served.double.interrupts)
        assert served.double.interrupts == [task]
        await served.until_status(lambda status: status["running"] == 0)


async def test_who_closes_its_sending_half_has_hung_up(tmp_path: Path) -> None:
    """It cannot be told from one that closes all: so does nginx judge."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(GET % b"/text?input=left")
        await served.double.until(lambda: served.double.active)
        writer.write_eof()
        await served.double.until(lambda: served.double.interrupts)
        writer.close()


async def test_a_stream_that_is_left_ends_its_job(tmp_path: Path) -> None:
    """Unless somebody else still watches it."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with served.events("/text", input="left") as events:
            id = (await anext(events)).words["id"]
            await served.double.until(lambda: served.double.active)
            async with served.events(f"/jobs/{id}") as other:
                await anext(other)
            await served.until_status(lambda status: status["running"] == 1)
            assert served.double.interrupts == []
        await served.double.until(lambda: served.double.interrupts)
        assert (await served.get(f"/jobs/{id}")).refusal[0] in {404, 410}


async def test_a_kept_job_lives_on(tmp_path: Path) -> None:
    """Its client hangs up, and fetches it later by its id."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        async with served.events("/text", input="kept", keep="true") as events:
            id = (await anext(events)).words["id"]
            await served.double.until(lambda: served.double.active)
        await served.get("/healthz")
        served.double.release()
        done = await finished(served, id)
        assert prompt_of(done.json["image-base64"]) == "kept"
        assert served.double.interrupts == []


async def test_a_client_may_hang_up_at_any_moment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Before, while and after its picture is written: no job stays behind, and nothing is logged."""
    async with serving(tmp_path) as served:
        for _ in range(10):
            async with served.connection(GET % b"/text?input=/kb-450"):
                pass
            async with served.connection(GET % b"/text?input=/kb-450") as reader:
                await reader.read(100)
            async with served.events("/text", input="/kb-450") as events:
                await anext(events)
            async with served.connection(b"POST /text HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"):
                pass
        await served.until_status(lambda status: status["running"] + status["waiting"] == 0)
        assert (await served.get("/text", input="a")).status == 200
    assert caplog.records == []


async def test_a_server_that_closes_abandons_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clients did not hang up: their job runs on for whoever attaches to it elsewhere."""
    monkeypatch.setattr(server, "CLOSING_SECONDS", 0.02)
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        settings = served.settings
        async with listen(served.gateway, settings) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET % b"/text?input=runs%20on")
            await served.double.until(lambda: served.double.active)
        writer.close()
        await served.until_status(lambda status: status["running"] == 1)
        assert served.double.interrupts == []
