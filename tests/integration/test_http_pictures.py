"""`/text` and `/image` over real sockets: pictures, errors, the original's clients, the prompt's file."""

import asyncio
import base64
import gzip
import json
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import requests

from httpserver.prompt_file import PromptFile
from tests.doubles.a1111 import A1111Double, prompt_of, seed_of
from tests.doubles.http_fixture import serving, until

PNG = b"\x89PNG\r\n\x1a\n"
ORIGINAL_BASH = r"""
response=$(curl -s "$0/text?input=$1")
if [[ $response =~ ^\{.*\}$ ]]; then
    echo "$response" | grep -o '"image-base64":[^,]*' | cut -d ':' -f 2- | tr -d '"' | base64 -d > picture.png
else
    echo "$response"
fi
"""


async def test_text_answers_base64_in_json(tmp_path: Path) -> None:
    """On one line, `image-base64` first, with a length, and with what is known of the picture."""
    async with serving(tmp_path) as served:
        answer = await served.get("/text", input="a monkey", seed=7, steps=3, width=64, height=128)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.body.startswith(b'{"image-base64":"iVBOR')
    assert b"\n" not in answer.body
    words = answer.json
    assert prompt_of(words["image-base64"]) == "a monkey"
    assert seed_of(words["image-base64"]) == words["seed"] == 7
    assert (words["steps"], words["width"], words["height"], words["count"]) == (3, 64, 128, 1)
    assert words["format"] == "png"
    assert len(words["id"]) == 32


async def test_a_large_picture_arrives_whole(tmp_path: Path) -> None:
    """Also one that no socket's buffer holds."""
    async with serving(tmp_path) as served:
        answer = await served.get("/text", input="/kb-2000")
    assert len(answer.body) > 2_600_000
    assert prompt_of(answer.json["image-base64"]) == "/kb-2000"


async def test_a_batch_has_all_its_pictures(tmp_path: Path) -> None:
    """The first where a single one is, the others behind it; /image shows the first."""
    async with serving(tmp_path) as served:
        words = (await served.get("/text", input="a monkey", batch_size=3, seed=40)).json
        picture = await served.get("/image", input="a monkey", batch_size=3, seed=40)
    pictures = [words["image-base64"], *words["further-images-base64"]]
    assert [seed_of(text) for text in pictures] == words["seeds"] == [40, 41, 42]
    assert picture.body == base64.b64decode(pictures[0])


async def test_post_takes_the_same_in_json(tmp_path: Path) -> None:
    """As a program would send it, also compressed."""
    body = {"input": "ein Affe mit Hut 🐒", "seed": 7, "steps": "3", "keep": False}
    async with serving(tmp_path) as served:
        answer = await served.ask("POST", "/text", body=body)
        async with served.client.post(
            f"{served.url}/text",
            data=gzip.compress(json.dumps(body).encode()),
            headers={"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"},
        ) as response:
            compressed = await response.json()
    assert prompt_of(answer.json["image-base64"]) == body["input"]
    assert compressed["image-base64"] == answer.json["image-base64"]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_image_is_the_picture_itself(tmp_path: Path, kind: str) -> None:
    """What a person opens in a browser, and saves under a name that says what it is."""
    async with serving(tmp_path) as served:
        answer = await served.get("/image", input=f"a monkey /{kind}", seed=7)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"image/{kind}"
    assert answer.headers["Content-Disposition"] == f'inline; filename="a-monkey-{kind}.{kind}"'
    assert answer.headers["X-Seed"] == "7"
    assert len(answer.headers["X-Job-Id"]) == 32
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.body.startswith({"png": PNG, "jpeg": b"\xff\xd8", "webp": b"RIFF"}[kind])


async def test_the_longest_prompt_fits_in_a_url(tmp_path: Path) -> None:
    """4000 characters of four bytes each, each byte written as three."""
    async with serving(tmp_path) as served:
        answer = await served.get("/text", input="🐒" * 4000, negative_prompt="🎩" * 4000)
    assert prompt_of(answer.json["image-base64"]) == "🐒" * 4000


async def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    """Pictures and errors alike leave it open; both of two requests that were sent at once are answered."""
    get = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    async with serving(tmp_path) as served:
        raw = get % (b"text?input=a", b"") + get % (b"text?input=", b"") + get % (b"nothing", b"")
        answers = await served.send(raw + get % (b"image?input=b", b"Connection: close\r\n"))
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answers.count(b"HTTP/1.1 400 Bad Request\r\n") == 1
    assert answers.count(b"HTTP/1.1 404 Not Found\r\n") == 1


async def test_an_old_client_is_served(tmp_path: Path) -> None:
    """HTTP/1.0, no Host, no keep-alive."""
    async with serving(tmp_path) as served:
        answer = await served.send(b"GET /text?input=a HTTP/1.0\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"200 OK" in head
    assert prompt_of(json.loads(body)["image-base64"]) == "a"


@pytest.mark.parametrize(
    ("prompt", "refusal"),
    [
        ("/fail-500", (502, "backend_error")),
        ("/422", (400, "invalid_request")),
        ("/truncate", (502, "backend_error")),
    ],
)
async def test_what_the_backend_does_wrong_is_told(
    tmp_path: Path, prompt: str, refusal: tuple[int, str]
) -> None:
    """As an error with its code, behind a line break on /text."""
    async with serving(tmp_path) as served:
        text = await served.get("/text", input=prompt)
        image = await served.get("/image", input=prompt)
    assert text.refusal == refusal
    assert image.refusal == refusal
    assert text.body.startswith(b"\n{")
    assert image.body.startswith(b"{")


async def test_a_picture_that_cannot_be_decoded_is_an_error_and_never_silence(tmp_path: Path) -> None:
    """A proxy would repeat a request that has no answer. As text it goes on as it came: nobody has looked."""
    async with serving(tmp_path) as served:
        image = await served.get("/image", input="/kb-450 /odd-letter")
        text = await served.get("/text", input="/kb-450 /odd-letter")
    assert image.refusal == (502, "backend_error")
    assert "no base64" in image.json["detail"]
    assert text.status == 200


async def test_an_unknown_model_is_an_error_that_names_the_others(tmp_path: Path) -> None:
    """And a sampler likewise."""
    async with serving(tmp_path) as served:
        model = await served.get("/text", input="a", model="gamma")
        sampler = await served.get("/text", input="a", sampler_name="Euler z")
        loose = await served.get("/text", input="a", model="BETA.safetensors")
    assert model.refusal == (404, "unknown_model")
    assert model.json["models"] == ["alpha", "beta"]
    assert sampler.refusal == (400, "invalid_request")
    assert sampler.json["field"] == "sampler_name"
    assert loose.json["model"] == "beta"


async def test_no_backend_means_no_picture(tmp_path: Path) -> None:
    """New work is refused at once, and when to try again is said."""
    double = A1111Double()
    double.fault("/", 503)
    async with serving(tmp_path, double=double) as served:
        answer = await served.get("/text", input="a")
        ready = await served.get("/readyz")
    assert answer.refusal == (503, "no_backend")
    assert answer.headers["Retry-After"] == "5"
    assert ready.refusal == (503, "no_backend")


async def test_a_caller_may_have_so_many_jobs_waiting(tmp_path: Path) -> None:
    """One more is refused, with a word when to come again."""
    async with serving(tmp_path, max_jobs_per_user=1) as served:
        served.double.hold()
        ask = {"Prefer": "respond-async"}
        await served.get("/text", headers=ask, input="runs")
        await served.double.until(lambda: served.double.active)
        await served.get("/text", headers=ask, input="waits")
        refused = await served.get("/text", input="is one too many")
        assert refused.refusal == (429, "too_many_jobs")
        assert refused.headers["Retry-After"] == "5"
        served.double.release()
        await served.until_status(lambda status: status["running"] + status["waiting"] == 0)


# --- the original's clients


async def test_the_original_python_client_goes_on_working(tmp_path: Path) -> None:
    """Its own two lines; and prompt.txt holds exactly what its query held."""
    async with serving(tmp_path) as served:
        url = f"{served.url}/text?input=%22monkey%20with%20a%20hat%22"
        response = await asyncio.to_thread(requests.get, url)
        picture = base64.b64decode(response.json()["image-base64"])
    assert picture.startswith(PNG)
    assert prompt_of(picture) == '"monkey with a hat"'
    assert served.prompt_file.read_bytes() == b'"monkey with a hat"'


async def test_the_original_bash_client_goes_on_working(tmp_path: Path) -> None:
    """A picture goes into the file; an error is printed."""
    async with serving(tmp_path) as served:
        printed = await _bash(tmp_path, served.url, "%22monkey%20with%20a%20hat%22")
        assert printed == b""
        assert prompt_of((tmp_path / "picture.png").read_bytes()) == '"monkey with a hat"'
        (tmp_path / "picture.png").unlink()
        for wrong in ("", "a&steps=0", "/fail-500"):
            assert b'"detail"' in await _bash(tmp_path, served.url, wrong)
    assert not (tmp_path / "picture.png").exists()


async def _bash(folder: Path, url: str, query: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", ORIGINAL_BASH, url, query), cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return printed


# --- the prompt's file


async def test_the_last_prompt_is_written_down(tmp_path: Path) -> None:
    """Whole, whatever way it came; of many the newest, at the latest when the server stops."""
    async with serving(tmp_path) as served:
        await served.get("/image", input="a 'first'")
        await until(holds(served.prompt_file, "a 'first'"))
        await served.ask("POST", "/text", body={"input": "two\r\nlines 🐒"})
        await until(holds(served.prompt_file, "two\r\nlines 🐒"))
        for number in range(20):
            await served.get("/text", input=f"prompt {number}")
        await served.get("/text", input="wrong", steps=0)
    assert served.prompt_file.read_text() == "prompt 19"
    assert os.listdir(tmp_path) == ["prompt.txt"]


async def test_a_prompt_file_that_cannot_be_written_disturbs_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once in the log."""
    (tmp_path / "taken").mkdir()
    async with serving(tmp_path, prompt_file=str(tmp_path / "taken")) as served:
        for number in range(2):
            assert (await served.get("/text", input=f"{number}")).status == 200
            await until(lambda: caplog.records)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "PROMPT_FILE" in caplog.text
    assert os.listdir(tmp_path) == ["taken"]


async def test_several_programs_may_share_the_prompt_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As replicas in containers do, all of which bear the process id 1."""
    async with AsyncExitStack() as programs:
        for number in range(100):
            file = await programs.enter_async_context(PromptFile(str(tmp_path / "prompt.txt")))
            file.remember(f"prompt {number}")
    assert not caplog.records
    assert os.listdir(tmp_path) == ["prompt.txt"]


async def test_the_prompt_file_may_be_off(tmp_path: Path) -> None:
    """An empty name means none."""
    async with serving(tmp_path, prompt_file="") as served:
        assert (await served.get("/text", input="a")).status == 200
    assert os.listdir(tmp_path) == []


def holds(path: Path, text: str) -> Callable[[], bool]:
    """Whether the file holds exactly this."""
    return lambda: path.exists() and path.read_bytes() == text.encode()


async def test_a_client_that_only_waits_for_its_picture_costs_the_server_no_poll(tmp_path: Path) -> None:
    """Progress is asked for when somebody reads it; one answer at the end holds none."""
    async with serving(tmp_path) as served:
        served.double.hold(at=3)
        answer = asyncio.create_task(served.get("/text", input="nobody looks"))
        await served.double.until(lambda: served.double.active and served.double.active.steps == 3)
        served.double.release()
        assert (await answer).status == 200
        assert served.double.count("/internal/progress") == 0
