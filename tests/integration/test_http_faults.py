"""Bad input and bad days: every one has its answer, and the server goes on."""

import asyncio
import gzip
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from core.stall import STALL_SECONDS
from httpserver import connection, server, state, text
from tests.doubles.http_fixture import Served, serving

HOST = b"Host: localhost\r\n"


async def goes_on(served: Served) -> None:
    """The next request is served as ever."""
    assert (await served.get("/text", input="goes on")).status == 200


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of one's own, to say one thing after another."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "input"),
        ("input=", "input"),
        ("input=%20%09", "input"),
        ("input=%ff%fe", "input"),
        ("input=a&input=b", "input"),
        ("input=a&seed=1&seed=1", "seed"),
        ("input=a&steps=0", "steps"),
        ("input=a&steps=2.5", "steps"),
        ("input=a&width=513", "width"),
        ("input=a&width=8192&height=8192", "width"),
        ("input=a&cfg_scale=inf", "cfg_scale"),
        ("input=a&batch_size=999", "batch_size"),
        ("input=a&keep=perhaps", "keep"),
        ("input=a&script_name=x", "script_name"),
        ("input=a&override_settings=%7B%7D", "override_settings"),
        ("a monkey".replace(" ", "%20"), "a monkey"),
    ],
)
async def test_a_wrong_query_is_refused(tmp_path: Path, query: str, field: str) -> None:
    """With the field that is at fault, and before anything is painted."""
    async with serving(tmp_path) as served:
        for path in ("/text", "/image"):
            answer = await served.get(f"{path}?{query}")
            assert answer.refusal == (400, "invalid_request")
            assert answer.json["field"] == field
        assert served.double.txt2img_requests == []
        assert not served.prompt_file.exists()


async def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BODY_SECONDS", 0.05)
    head = b"POST /text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    part = head + b"Content-Length: 100\r\n\r\n{"
    async with asyncio.timeout(10), serving(tmp_path) as served, served.connection(part) as reader:
        answer = await reader.readuntil(b"did not arrive")
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"a"',
        b"\xff",
        b"[" * 9999,
        b'{"input": 5}',
        b'{"input": "a", "width": "wide"}',
        b"{}",
    ],
)
async def test_a_wrong_body_is_refused(tmp_path: Path, body: bytes) -> None:
    """Whatever it is."""
    headers = {"Content-Type": "application/json"}
    async with serving(tmp_path) as served:
        async with served.client.post(f"{served.url}/text", data=body, headers=headers) as response:
            assert response.status == 400
            told = await response.read()
        assert told.startswith(b"\n{")
        assert json.loads(told)["code"] == "invalid_request"
        await goes_on(served)


async def test_a_body_comes_as_json_and_alone(tmp_path: Path) -> None:
    """A form's or a text's content type is how another site's page would try without a preflight."""
    async with serving(tmp_path) as served:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream"):
            async with served.client.post(
                f"{served.url}/text", data=b'{"input": "a"}', headers={"Content-Type": kind}
            ) as response:
                assert (response.status, (await response.json(content_type=None))["code"]) == (
                    400,
                    "invalid_request",
                )
        both = await served.ask("POST", "/text", body={"input": "a"}, steps=3)
        assert both.refusal == (400, "invalid_request")
        assert served.double.txt2img_requests == []


async def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """413 is HTTP's word for it."""
    async with serving(tmp_path) as served:
        answer = await served.ask("POST", "/text", body={"input": "x" * 500_000})
        assert answer.refusal == (413, "invalid_request")
        await goes_on(served)


RUBBISH = {
    "space": b"GET /text?input=a monkey HTTP/1.1\r\n" + HOST,
    "letter": "GET /text?input=a é HTTP/1.1\r\n".encode() + HOST,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "word": b"HELLO\r\n",
    "version": b"GET / HTTP/9.9\r\n" + HOST,
    "address": b"GET http://[bad/ HTTP/1.1\r\n" + HOST,
    "long URL": b"GET /text?input=" + b"x" * 200_000 + b" HTTP/1.1\r\n" + HOST,
    "long header": b"GET / HTTP/1.1\r\n" + HOST + b"X-Header: " + b"x" * 20_000 + b"\r\n",
    "no header": b"GET / HTTP/1.1\r\n" + HOST + b"no header\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST,
    "length": b"POST /text HTTP/1.1\r\n" + HOST + b"Content-Length: many\r\n",
    "much behind it": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n" + b"x" * 1_000_000,
    "two lengths": b"POST /text HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
}


@pytest.mark.parametrize("raw", RUBBISH.values(), ids=RUBBISH)
async def test_what_is_no_http_is_answered_all_the_same(
    tmp_path: Path, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """As a problem, and without a traceback in the log for each stranger who sends rubbish."""
    async with serving(tmp_path) as served:
        head, body = (await served.send(raw + b"\r\n")).split(b"\r\n\r\n", 1)
        assert head.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
        assert b"Content-Type: application/problem+json" in head
        assert b"Cache-Control: no-store" in head
        assert b"aiohttp" not in head
        assert body.startswith(b"\n{")
        assert json.loads(body)["code"] == "invalid_request"
        await goes_on(served)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (RUBBISH["space"], r"Bad status line.* \(spaces and letters beyond ASCII are %20, %C3%A9 in a URL\)"),
        (RUBBISH["address"], r"http://\[bad/ \(spaces and letters beyond ASCII are %20, %C3%A9 in a URL\)"),
        (RUBBISH["tls"], "Received HTTPS traffic on an HTTP port"),
        (RUBBISH["two hosts"], "Duplicate 'Host' header found"),
        (b"GET / HTTP/1.1\r\n", "Missing 'Host' header in request"),
    ],
    ids=["space", "address", "tls", "two hosts", "no host"],
)
async def test_what_is_no_http_is_told_what_it_lacks(tmp_path: Path, raw: bytes, what: str) -> None:
    """How a URL is written only where it may be the URL."""
    async with serving(tmp_path) as served:
        _, body = (await served.send(raw + b"\r\n")).split(b"\r\n\r\n", 1)
    assert re.fullmatch(f"not readable as HTTP: {what}", json.loads(body)["detail"])


@pytest.mark.parametrize(
    "cut",
    [0, 2, 3, 4, 20, 22, 30],
    ids=["whole", "half a verb", "verb", "blank", "letter", "half a letter", "line"],
)
async def test_letters_may_stand_in_a_url_as_they_are(tmp_path: Path, cut: int) -> None:
    """As curl and Java send them; the URL may come in parts, and a body with such a line in it is a body."""
    get = "GET /text?input=Käfer🐒 HTTP/1.1\r\n".encode() + HOST + b"X-Name: \xe9\r\n\r\n"
    body = json.dumps({"input": "GET /é HTTP/1.1\r\n"}, ensure_ascii=False).encode()
    post = b"POST /text HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nConnection: close\r\n"
    async with serving(tmp_path) as served:
        async with connected(served) as (reader, writer):
            writer.write(get[:cut])
            await served.get("/healthz")  # by now the first part was read
            writer.write(get[cut:])
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            writer.write(post + b"Content-Length: %d\r\n\r\n" % len(body))
            await served.get("/healthz")
            writer.write(body)
            await reader.read()
        prompts = [request["prompt"] for request in served.double.txt2img_requests]
    assert prompts == ["Käfer🐒", "GET /é HTTP/1.1\r\n"]


async def test_letters_may_stand_in_urls_that_are_sent_at_once(tmp_path: Path) -> None:
    """The next one is read while the first one waits to be answered, or with the end of a body."""
    get = "GET /healthz?input=Käfer HTTP/1.1\r\n".encode() + HOST
    put = b"PUT /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}"
    async with serving(tmp_path) as served, asyncio.timeout(10):
        answer = await served.send((get + b"\r\n") * 2 + put + get + b"Connection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"405", b"200"]


@pytest.mark.parametrize("cut", [0, 2, 4, 6, 7], ids=["whole", "line", "half a verb", "blank", "letter"])
async def test_letters_may_stand_in_a_url_behind_an_empty_line(tmp_path: Path, cut: int) -> None:
    """Some clients end a body with one."""
    get = "\r\nGET /healthz?input=é HTTP/1.1\r\n".encode() + HOST + b"Connection: close\r\n\r\n"
    async with serving(tmp_path) as served, connected(served) as (reader, writer), asyncio.timeout(10):
        writer.write(get[:cut])
        await served.get("/healthz")  # by now the first part was read
        writer.write(get[cut:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


def test_letters_may_stand_in_the_first_url_and_in_the_next(tmp_path: Path) -> None:
    """On the event loop that serves where it is installed: it reads before a connection's task has run."""
    uvloop = pytest.importorskip("uvloop")

    async def serve() -> None:
        async with serving(tmp_path) as served:
            for requests in (*(1,) * 50, 200):
                assert await asyncio.to_thread(statuses, served.port, requests) == {b"200"}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def statuses(port: int, requests: int) -> set[bytes]:
    """What is answered to that many requests on one connection, each sent as soon as can be."""
    get = "GET /healthz?input=Käfer HTTP/1.1\r\n".encode() + HOST + b"\r\n"
    found = set()
    with socket.create_connection(("127.0.0.1", port)) as line:
        for _ in range(requests):
            line.sendall(get)
            answer = b""
            while not answer.endswith(b"}"):
                answer += line.recv(65_536)
            found.add(answer.split(b" ", 2)[1])
    return found


@pytest.mark.parametrize(
    "head",
    [
        b"Transfer-Encoding: chunked\r\n\r\nnot hex\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nzzzz",
        b"Content-Encoding: br, gzip, what\r\nContent-Length: 4\r\n\r\nzzzz",
        b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nzzzz",
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(tmp_path: Path, head: bytes) -> None:
    """Broken chunks, broken compression."""
    start = b"POST /text HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Type: application/json\r\n"
    async with serving(tmp_path) as served:
        answer = await served.send(start + head)
        assert b" 400 " in answer.split(b"\r\n", 1)[0]
        assert b'"code":"invalid_request"' in answer
        await goes_on(served)


@pytest.mark.parametrize("broken", [b"not hex\r\n", b'd\r\n{"input":"a"}0\r\n\r\n'], ids=["size", "end"])
@pytest.mark.parametrize(("path", "status"), [(b"/text", 400), (b"/healthz", 405)])
async def test_a_body_that_breaks_behind_its_head_is_not_waited_for(
    tmp_path: Path, path: bytes, status: int, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody waits for it already, or it is let pass since nobody wants it. It has one answer."""
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    async with serving(tmp_path) as served, connected(served) as (reader, writer), asyncio.timeout(5):
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        await served.get("/healthz")  # by now the head was read
        writer.write(broken + head)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert (b"the body cannot be read" in answer) == (status == 400)
    assert caplog.records == []


async def test_a_header_behind_a_body_is_none_of_the_next_request(tmp_path: Path) -> None:
    """That may be somebody else's, where a proxy shares its connections. aiohttp makes it one: so there is no
    next request on this connection."""
    head = b"POST /text HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    body = b'd\r\n{"input":"a"}\r\n0\r\nPrefer: respond-async\r\n\r\n'
    async with serving(tmp_path) as served, asyncio.timeout(10):
        get = b"GET /text?input=b HTTP/1.1\r\n" + HOST + b"\r\n"
        answer = await served.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + body + get)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.count(b"HTTP/1.1 ") == 1
        assert [request["prompt"] for request in served.double.txt2img_requests] == ["a"]


@pytest.mark.parametrize("end", [b"\0", b"  ", b"{}"], ids=["zero", "blanks", "body"])
async def test_a_request_with_something_behind_it_is_answered(tmp_path: Path, end: bytes) -> None:
    """As by the original. Programs in C send the zero at the end of their text as well, and some a body of
    which they say nothing."""
    async with serving(tmp_path) as served, asyncio.timeout(10):
        answer = await served.send(b"GET /text?input=a HTTP/1.1\r\n" + HOST + b"\r\n" + end)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.") == 2, "and what is wrong with the rest"


@pytest.mark.parametrize("cut", [-1, -2, -3, -4, -5])
async def test_that_holds_wherever_the_network_cuts(tmp_path: Path, cut: int) -> None:
    get = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    async with serving(tmp_path) as served, connected(served) as (reader, writer), asyncio.timeout(10):
        writer.write(get[:cut])
        await served.get("/healthz")  # by now the first part was read
        writer.write(get[cut:] + b"no request\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.") == 2


async def test_a_request_with_a_body_and_something_behind_it_is_answered(tmp_path: Path) -> None:
    """Also where its body came together with that."""
    put = b"PUT /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}"
    async with serving(tmp_path) as served, asyncio.timeout(10):
        answer = await served.send(put + b"\0")
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert answer.count(b"HTTP/1.") == 2


@pytest.mark.parametrize("key", ["", "secret"])
async def test_a_body_that_swells_costs_nothing(tmp_path: Path, key: str) -> None:
    """A kilobyte that unpacks to a megabyte, sent a thousand times over, would be seconds of work."""
    zeros = gzip.compress(bytes(50_000_000))
    async with serving(tmp_path, api_key=key) as served:
        head = b"POST /text HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Type: application/json\r\n"
        began = time.process_time()
        answer = await served.send(
            head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zeros) + zeros
        )
        assert time.process_time() - began < 0.1
    assert answer.split(b" ", 2)[1] == (b"401" if key else b"413")


async def test_a_long_url_is_told_the_way(tmp_path: Path) -> None:
    """Which limit it broke, and that a body holds more."""
    async with serving(tmp_path) as served:
        answer = await served.send(RUBBISH["long URL"] + b"\r\n")
    assert b"longer than 131072 bytes; POST /text" in answer


async def test_a_client_that_does_not_hang_up_after_a_refusal_holds_up_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its answer: nothing is left to write. By itself the server waits for ten seconds."""
    monkeypatch.setattr(server, "CLOSING_SECONDS", 60)
    async with asyncio.timeout(9), AsyncExitStack() as clients, serving(tmp_path) as served:
        reader, writer = await clients.enter_async_context(connected(served))
        writer.write(b"rubbish\r\n\r\n")
        assert b"not readable as HTTP" in await reader.read()


@pytest.mark.parametrize("rest", [b"", b"a" * 2_000_000], ids=["nothing more", "much more"])
async def test_a_body_that_cannot_be_read_on_is_answered_at_once(tmp_path: Path, rest: bytes) -> None:
    """Its request waited for the rest, and was then told that this did not arrive in time."""
    head = b"POST /text HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with asyncio.timeout(20), serving(tmp_path) as served, connected(served) as (reader, writer):
        writer.write(head)
        await reader.readuntil(b"100 Continue\r\n\r\n")
        writer.write(b"1\r\na\r\nno number\r\n" + rest)
        answer = await reader.read()
        assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 400 ") == 1
        await goes_on(served)


async def test_a_client_that_still_sends_what_was_refused_reads_why(tmp_path: Path) -> None:
    """A connection that is closed while bytes are on their way takes its answer back from the client."""
    async with serving(tmp_path) as served:
        answer = await served.send(b"GET /" + b"a" * 2_000_000)
    assert b"longer than 131072 bytes; POST /text" in answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a/" * 60_000 + b" HTTP/1.1\r\n" + HOST, 404),
        (b"GET /" + b"\xc3aaaaaaaaa" * 20_000 + b" HTTP/1.1\r\n" + HOST, 400),
        (b"POST /text HTTP/1.1\r\nContent-Type: application/json; " + b'"' * 8000 + b"\r\n" + HOST, 400),
        (b"GET /jobs/x HTTP/1.1\r\n" + (b"Prefer: " + b"," * 8000 + b"\r\n") * 19 + HOST, 404),
        (
            b"GET / HTTP/1.1\r\nHost: "
            + "\ufdfa".encode() * 2500
            + b".localhost\r\n"
            + b"".join(b"Origin: http://" + "\ufdfa".encode() * 2500 + b":%d\r\n" % n for n in range(19)),
            403,
        ),
    ],
    ids=["path", "letters", "content type", "preferences", "origins"],
)
async def test_what_takes_long_to_read_is_not_read(tmp_path: Path, head: bytes, status: int) -> None:
    """No stranger's header stops the server for everybody."""
    async with serving(tmp_path) as served:
        await served.get("/healthz")
        began = time.process_time()
        answer = await served.send(head + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
        assert time.process_time() - began < 0.1
    assert int(answer.split(b" ", 2)[1]) == status


async def test_a_path_or_method_that_is_not_known_is_a_problem(tmp_path: Path) -> None:
    """404 and 405 in our words; HEAD paints nothing."""
    async with serving(tmp_path) as served:
        for path in ("/nothing", "/text/", "/jobs", "/jobs/", "/images", "/%00", "/..%2f"):
            assert (await served.get(path)).refusal == (404, "not_found")
        for method, path in (("PUT", "/text"), ("POST", "/image"), ("DELETE", "/text"), ("OPTIONS", "/text")):
            answer = await served.ask(method, path)
            assert answer.refusal == (405, "invalid_request")
            assert "GET" in answer.headers["Allow"]
        for path in ("/text?input=a", "/image?input=a", "/jobs/x", "/jobs/x/images/0"):
            answer = await served.ask("HEAD", path)
            assert (answer.status, answer.body) == (405, b"")
        assert (await served.ask("HEAD", "/healthz")).status == 200
        assert served.double.txt2img_requests == []


async def test_an_expectation_is_met(tmp_path: Path) -> None:
    """A client that asks before it sends its body is told to go on."""
    head = b"POST /text HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Type: application/json\r\n"
    async with serving(tmp_path) as served:
        asking, body = head + b"Content-Length: 14\r\nExpect: 100-continue\r\n\r\n", b'{"input": "a"}'
        async with connected(served) as (reader, writer):
            writer.write(asking)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(body)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        strange = await served.send(asking.replace(b"100-continue", b"rain") + body)
        assert strange.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /healthz", 200),
        (b"HEAD /healthz", 200),
        (b"GET /static/page.css", 404),
        (b"DELETE /jobs/x", 404),
        (b"GET /nothing", 404),
        (b"PUT /text", 405),
    ],
)
@pytest.mark.parametrize("wish", [b"rain", b"\xff"])
async def test_who_expects_what_is_not_known_is_answered_as_anybody_else(
    tmp_path: Path, line: bytes, status: int, wish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Everywhere, and without a word in the log."""
    head = line + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\nExpect: " + wish + b"\r\n\r\n"
    async with serving(tmp_path) as served:
        answer = await served.send(head)
    assert int(answer.split(b" ", 2)[1]) == status
    assert (b'"code":"not_found"' in answer) == (status == 404)
    assert caplog.records == []


async def test_who_expects_what_is_not_known_is_answered_with_all_headers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Those for pages as well, whatever bytes stand in other headers."""
    head = b"GET /status HTTP/1.1\r\n" + HOST + b"Connection: close\r\nOrigin: http://localhost\r\n"
    async with serving(tmp_path) as served:
        for wish in (b"", b"Expect: rain\r\n", b"Expect:\r\nX-Name: \xff\r\n"):
            answer = await served.send(head + wish + b"\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"\r\nVary: Origin\r\nAccess-Control-Allow-Origin: http://localhost\r\n" in answer
    assert caplog.records == []


@pytest.mark.parametrize("count", [31, 32, 33, 100, 200])
async def test_many_requests_behind_a_body_are_all_answered(tmp_path: Path, count: int) -> None:
    """The body ends after its request was taken, while aiohttp's parser counts who waits."""
    body = json.dumps({"input": "a" * 4000, "negative_prompt": "b" * 4000, "seed": 1}).encode().ljust(20_000)
    post = b"POST /text HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n" % len(body)
    post += b"Content-Type: application/json\r\n\r\n" + body
    get = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    last = get[:-2] + b"Connection: close\r\n\r\n"
    async with serving(tmp_path) as served, asyncio.timeout(10):
        assert (await served.send(post + get * count + last)).count(b"HTTP/1.1 200 OK\r\n") == count + 2


async def test_a_body_behind_an_upgrade_that_was_declined_is_no_head(tmp_path: Path) -> None:
    """aiohttp parses what came with the upgrade by itself; the rest of it is not bounded."""
    upgrade = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    body = json.dumps({"input": "a"}).encode().ljust(400_000)
    head = b"POST /text HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n" % len(body)
    head += b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
    async with (
        serving(tmp_path, max_prompt=20_000) as served,
        connected(served) as (reader, writer),
        asyncio.timeout(10),
    ):
        writer.write(upgrade + head + body[:10])
        answer = await reader.readuntil(b'{"status":"ok"}')
        writer.write(body[10:])
        answer += await reader.read()
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
@pytest.mark.parametrize("size", [1, 20_000, 160_000])
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "body behind"])
async def test_behind_the_body_of_an_upgrade_that_was_declined_the_next_request_is_answered(
    tmp_path: Path, upgrade: bytes, size: int, apart: bool
) -> None:
    """aiohttp forgot what came with the end of the body, or took all that followed for the other protocol."""
    head = b"PUT /healthz HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: " + upgrade
    head += b"\r\nContent-Length: %d\r\n\r\n" % size
    last = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    async with serving(tmp_path) as served, connected(served) as (reader, writer), asyncio.timeout(10):
        writer.write(head)
        answer = await reader.readuntil(b"}") if apart else b""
        writer.write(bytes(size) + last)
        answer += await reader.read()
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"405", b"200"]


async def test_an_empty_line_behind_a_request_is_no_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some clients end a body with one: nothing has to follow it, and the connection stays."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    get = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    async with serving(tmp_path) as served, connected(served) as (reader, writer), asyncio.timeout(10):
        for _ in range(2):
            writer.write(get)
            assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
            writer.write(b"\r\n")
            await asyncio.sleep(0.3)


@pytest.mark.parametrize(("length", "key", "status"), [(14, "secret", 401), (400_000_000, "", 413)])
async def test_a_body_that_is_not_read_is_not_asked_for(
    tmp_path: Path, length: int, key: str, status: int
) -> None:
    """A client that asks before it sends is spared it; what it asks next would be taken for the body."""
    head = b"POST /text HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    asking = head + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % length
    async with serving(tmp_path, api_key=key) as served, served.connection(asking) as reader:
        answer = await reader.readuntil(b"\r\n\r\n")
        assert int(answer.split(b" ", 2)[1]) == status
        assert b"\r\nConnection: close\r\n" in answer


async def test_a_fault_of_our_own_is_an_error_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its details are in the log and not in the answer."""

    def broken(*_: object) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(state, "status_words", broken)
    async with serving(tmp_path) as served:
        answer = await served.get("/status")
        await goes_on(served)
    assert answer.refusal == (500, "internal")
    assert b"secret" not in answer.body
    assert "the secret cause" in caplog.text


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
async def test_a_client_that_vanished_while_it_waited_is_noticed_within_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is gone can be had here only as root: so this reads what the system is told."""
    lines = []
    begin = connection.Connection.connection_made

    def begun(self: connection.Connection, transport: asyncio.BaseTransport) -> None:
        begin(self, transport)
        lines.append(transport.get_extra_info("socket"))

    monkeypatch.setattr(connection.Connection, "connection_made", begun)
    async with serving(tmp_path) as served:
        await served.get("/healthz")
        (line,) = lines
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        asks = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [line.getsockopt(socket.IPPROTO_TCP, option) for option in asks] == [60, 10, 3]
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == STALL_SECONDS * 1000


async def test_before_it_stops_it_breaks_off_what_a_proxy_will_repeat(tmp_path: Path) -> None:
    """A trusted proxy that names its requests asks another replica then; what runs is delivered."""
    async with serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served:
        served.double.hold()
        running = asyncio.create_task(served.get("/text", headers={"X-Request-ID": "1"}, input="runs"))
        await served.double.until(lambda: served.double.active)
        waiting = asyncio.create_task(served.get("/text", headers={"X-Request-ID": "2"}, input="waits"))
        await served.until_status(lambda status: status["waiting"] == 1)
        drained = asyncio.create_task(served.gateway.drain(10))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await waiting
        body = {"input": "late"}
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await served.ask("POST", "/text", headers={"X-Request-ID": "3"}, body=body)
        assert (await served.ask("POST", "/text", body=body)).refusal == (503, "shutting_down")
        served.double.release()
        assert (await running).status == 200
        await drained


async def test_who_waits_for_a_job_is_told_that_the_process_ends_and_not_that_the_job_failed(
    tmp_path: Path,
) -> None:
    """On a shared queue it does not."""
    async with serving(tmp_path) as served:
        served.double.hold()
        running = asyncio.create_task(served.get("/text", input="runs"))
        await served.double.until(lambda: served.double.active)
        asked = await served.get("/text", input="waits", headers={"Prefer": "respond-async"})
        waiting = asyncio.create_task(served.get(asked.headers["Location"], headers={"Prefer": "wait=10"}))
        await served.until_status(lambda status: status["waiting"] == 1)
        drained = asyncio.create_task(served.gateway.drain(10))
        assert (await waiting).refusal == (503, "shutting_down")
        assert (await waiting).json["id"] == asked.json["id"], "there it may ask for it again"
        served.double.release()
        assert (await running).status == 200
        await drained


async def test_before_it_stops_it_finishes_what_runs(tmp_path: Path) -> None:
    """New work is refused, what waits is told so, what runs is delivered."""
    async with serving(tmp_path) as served:
        served.double.hold()
        running = asyncio.create_task(served.get("/text", input="runs"))
        await served.double.until(lambda: served.double.active)
        waiting = asyncio.create_task(served.get("/text", input="waits"))
        await served.until_status(lambda status: status["waiting"] == 1)
        drained = asyncio.create_task(served.gateway.drain(10))
        assert (await waiting).refusal == (503, "shutting_down")
        late = await served.get("/text", input="late")
        assert late.refusal == (503, "shutting_down")
        assert late.headers["Retry-After"] == "2"
        assert (await served.get("/readyz")).refusal == (503, "shutting_down")
        assert (await served.get("/healthz")).status == 200
        served.double.release()
        assert (await running).status == 200
        await drained
