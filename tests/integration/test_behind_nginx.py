"""A real nginx in front, as docs/scaling.md writes it for a machine without Docker, and as compose has it."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from socket import AF_INET6, create_server
from urllib.parse import quote

import aiohttp
import pytest
import websockets

import httpserver
import wsserver.server
from core.environment import load
from tests.doubles.http_fixture import Served, serving, until
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SCALING, OPERATING = (
    (ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("scaling.md", "operating.md")
)
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
AROUND = """
daemon off;
pid pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
"""
"""What stands around a file of conf.d, with all that is written in the test's own folder."""
ALL_OF_IT = "    location / { proxy_pass http://127.0.0.1:5000; }\n"
"""What docs/scaling.md has something else for, later on."""


pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx is here")


@asynccontextmanager
async def nginx(folder: Path, conf: str) -> AsyncIterator[int]:
    """Run it with this configuration until one leaves; its process. What it says is in the file `log`."""
    assert NGINX is not None
    (folder / "nginx.conf").write_text(conf, encoding="utf-8")
    (folder / "pid").unlink(missing_ok=True)
    command = (NGINX, "-e", "stderr", "-p", str(folder), "-c", "nginx.conf")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stderr=log)
    try:
        await until((folder / "pid").exists)  # it listens before it writes that
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


def of_compose(folder: Path, port: int, replica: int) -> str:
    """The compose file's configuration, here: HTTP on this port, and its only replica on that one."""
    for name in ("replicas.conf", "refused.conf", "nobody.conf"):
        shutil.copy(ROOT / "deploy" / name, folder)
    conf = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    conf = conf.replace("user nginx;", "user root;" if os.geteuid() == 0 else "")
    conf = conf.replace("access_log /dev/stdout main;", "access_log /tmp/access main;")
    conf = conf.replace("listen 5000 ", f"listen 127.0.0.1:{port} ").replace(
        "app:5000", f"127.0.0.1:{replica}"
    )
    conf = conf.replace("listen 8765 ", f"listen 127.0.0.1:{free_port()} ")
    conf = conf.replace("listen 127.0.0.1:8081;", f"listen 127.0.0.1:{free_port()};")
    return "daemon off;\n" + conf.replace(" /tmp/", f" {folder}/").replace("/nginx.pid;", "/pid;")


def memory_of_its_child(pid: int) -> int:
    """Bytes that the one process takes which serves."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    status = Path(f"/proc/{child}/status").read_text(encoding="ascii")
    return 1024 * int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0])


def blocks(page: str, language: str) -> list[str]:
    """What stands in a page in this language, in order."""
    return [
        found[1] for found in re.findall(rf"^( *)```{language}\n(.*?)^\1```$", page, re.MULTILINE | re.DOTALL)
    ]


def speaks_ipv6() -> bool:
    """Whether this machine does, at least to itself."""
    with suppress(OSError), create_server(("::1", 0), family=AF_INET6):
        return True
    return False


def on_loopback(conf: str, port: int) -> str:
    """The lines of the docs, at this port."""
    conf = conf.replace("listen 80 ", f"listen 127.0.0.1:{port} ")
    there = f"listen [::1]:{port} " if speaks_ipv6() else "# "
    return conf.replace("listen [::]:80 ", there)


def of_two_front_ends(port: int, first: int, second: int) -> str:
    """The lines of docs/scaling.md, here on this port, in front of those two."""
    server, _, upstream, places = blocks(SCALING, "nginx")
    here = upstream.replace("10.0.0.6:5000", f"127.0.0.1:{first}")
    here = here.replace("10.0.0.7:5000", f"127.0.0.1:{second}")
    there = on_loopback(server, port)
    there = there.replace(ALL_OF_IT, places)
    return AROUND + here + there.replace('X-Request-ID "";', "X-Request-ID $request_id;") + "}\n"


@asynccontextmanager
async def behind_the_nginx_of_the_docs(
    folder: Path, *, in_a_path: bool = False, beside_the_first_site: bool = False
) -> AsyncIterator[tuple[Served, int]]:
    """Both front ends behind the lines of docs/scaling.md; the port of nginx."""
    server, path, *_ = blocks(SCALING, "nginx")
    if in_a_path:
        server = server.replace(ALL_OF_IT, path).replace("location = /ws", "location = /sd/ws")
    (env,) = (block for block in blocks(SCALING, "bash") if block.startswith("HTTP_PORT=5000"))
    (folder / "env").write_text(env, encoding="utf-8")
    told, port = load({}, folder / "env"), free_port()
    first_site = f"server {{ listen 127.0.0.1:{port} default_server; }}\n" if beside_the_first_site else ""
    async with (
        serving(folder, allowed_hosts=told.allowed_hosts, trusted_proxies=told.trusted_proxies) as served,
        wsserver.server.listen(served.gateway, served.settings, port=0) as ws_port,
        nginx(
            folder,
            AROUND
            + on_loopback(server, port)
            .replace(f"127.0.0.1:{told.http_port}", f"127.0.0.1:{served.port}")
            .replace(f"127.0.0.1:{told.ws_port};", f"127.0.0.1:{ws_port};")
            + first_site
            + "}\n",
        ),
    ):
        yield served, port


async def test_the_page_and_programs_come_in_through_nginx(tmp_path: Path) -> None:
    """By the name that is listed: its web page may paint, and so may programs on both wires."""
    page = {"Host": "pictures.example", "Origin": "http://pictures.example"}
    async with behind_the_nginx_of_the_docs(tmp_path) as (served, port):
        url = f"http://127.0.0.1:{port}"
        async with served.client.post(f"{url}/text", json={"input": "a mill"}, headers=page) as answer:
            assert answer.status == 200, await answer.text()
        async with served.client.get(f"{url}/static/main.js", headers=page) as answer:
            assert answer.status == 200
        own = websockets.Origin(url)
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", max_size=None, origin=own) as socket:
            await socket.send("a tower")
            types: list[str] = []
            while types[-1:] not in (["image"], ["error"]):
                types.append(json.loads(await socket.recv())["type"])
    assert types[-1] == "image"
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["a mill", "a tower"]


@pytest.mark.skipif(not speaks_ipv6(), reason="this machine speaks no IPv6")
async def test_whoever_comes_over_ipv6_is_served_through_nginx(tmp_path: Path) -> None:
    """Not by the site that nginx has at first, which listens there on Debian."""
    async with (
        behind_the_nginx_of_the_docs(tmp_path) as (served, port),
        served.client.get(f"http://[::1]:{port}/readyz") as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_the_longest_prompt_comes_in_a_url_through_nginx(tmp_path: Path) -> None:
    """As browsers and the original clients send it; nginx by itself takes 8 KiB.

    So does the site that Debian's has at first, which gets whatever comes until its host is known.
    """
    longest, ours = "\N{MONKEY}" * 4000, {"Host": "pictures.example"}
    async with (
        behind_the_nginx_of_the_docs(tmp_path, beside_the_first_site=True) as (served, port),
        served.client.get(f"http://127.0.0.1:{port}/text", params={"input": longest}, headers=ours) as answer,
    ):
        assert answer.status == 200, await answer.text()
    assert [each["prompt"] for each in served.double.txt2img_requests] == [longest]


async def test_a_path_of_its_own_leads_to_jobs_and_pictures_through_nginx(tmp_path: Path) -> None:
    """An answer says where its job is; the page finds its files, and programs both wires."""
    async with behind_the_nginx_of_the_docs(tmp_path, in_a_path=True) as (served, port):
        origin = f"http://127.0.0.1:{port}"
        for path in ("/sd/", "/sd/static/main.js", "/sd/catalog"):
            async with served.client.get(origin + path) as answer:
                assert answer.status == 200, path
        later = {"Prefer": "respond-async"}
        async with served.client.get(f"{origin}/sd/image?input=a%20mill", headers=later) as answer:
            assert (answer.status, answer.headers["Location"][:9]) == (202, "/sd/jobs/")
            job = origin + answer.headers["Location"]
        async with served.client.get(f"{job}/images/0") as answer:
            assert answer.status == 200, await answer.text()
        async with websockets.connect(f"ws://127.0.0.1:{port}/sd/ws", max_size=None) as socket:
            await socket.send(json.dumps({"type": "attach", "id": job.rpartition("/")[2]}))
            assert json.loads(await socket.recv())["type"] == "image"


async def test_what_a_client_calls_its_request_is_not_believed_through_nginx(tmp_path: Path) -> None:
    """Two requests of one name are two jobs; and while the service stops both wires say so in words."""
    named = {"X-Request-ID": "same"}
    async with behind_the_nginx_of_the_docs(tmp_path) as (served, port):
        url = f"http://127.0.0.1:{port}"

        async def ask() -> int:
            async with served.client.get(f"{url}/text?input=a%20mill", headers=named) as answer:
                return answer.status

        served.double.hold()
        asked = [asyncio.create_task(ask()) for _ in range(2)]
        await served.until_status(lambda status: status["waiting"] + status["running"] == 2)
        served.double.release()
        assert await asyncio.gather(*asked) == [200, 200]
        await served.gateway.drain(0)
        upgrade = {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        upgrade |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        for path, headers in (("/text?input=a%20mill", named), ("/ws", named | upgrade)):
            async with served.client.get(f"{url}{path}", headers=headers) as answer:
                assert (answer.status, (await answer.json(content_type=None))["code"]) == (
                    503,
                    "shutting_down",
                )


async def test_what_one_front_end_cannot_take_goes_to_another_through_nginx(tmp_path: Path) -> None:
    """Here the first is gone. What one cannot finish comes again by the same name, so it is the same job."""
    port, gone = free_port(), free_port()
    async with (
        serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served,
        nginx(tmp_path, of_two_front_ends(port, gone, served.port)),
    ):
        for prompt in ("a mill", "a tower"):
            asked = served.client.post(f"http://127.0.0.1:{port}/text", json={"input": prompt})
            async with asked as answer:
                assert answer.status == 200, await answer.text()
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["a mill", "a tower"]


async def test_front_ends_that_are_restarted_one_after_the_other_are_not_missed_through_nginx(
    tmp_path: Path,
) -> None:
    """The second one stops as soon as the first is back, while nginx has just seen that gone."""
    port, ports = free_port(), (free_port(), free_port())
    async with serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served, AsyncExitStack() as stack:

        async def ask(stopped: str) -> None:
            for _ in range(4):  # each of the two has its turn
                async with served.client.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    assert answer.status == 200, f"{stopped}: {await answer.text()}"

        front_ends = [AsyncExitStack(), AsyncExitStack()]
        for front_end, own in zip(front_ends, ports, strict=True):
            await stack.enter_async_context(front_end)
            await front_end.enter_async_context(httpserver.listen(served.gateway, served.settings, port=own))
        async with nginx(tmp_path, of_two_front_ends(port, *ports)):
            await ask("none")
            for front_end, own in zip(front_ends, ports, strict=True):
                await front_end.aclose()
                await ask(f"{own} is stopped")
                listening = httpserver.listen(served.gateway, served.settings, port=own)
                await front_end.enter_async_context(listening)


async def test_a_request_that_both_front_ends_break_off_begins_at_the_first_again_through_nginx(
    tmp_path: Path,
) -> None:
    """By the same name, so with the same job: as where it waits for longer than it takes to restart both."""
    port, names = free_port(), list[str]()

    async def replica(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        names.extend(re.findall("X-Request-ID: (.*)\r", head))
        if len(names) > 2:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(replica, "127.0.0.1", 0) as first,
        await asyncio.start_server(replica, "127.0.0.1", 0) as second,
    ):
        ports = [each.sockets[0].getsockname()[1] for each in (first, second)]
        async with nginx(tmp_path, of_two_front_ends(port, *ports)), aiohttp.ClientSession() as client:
            asked = client.post(f"http://127.0.0.1:{port}/text", json={"input": "a mill"})
            async with asked as answer:
                assert answer.status == 200, await answer.text()
    assert len(names) == 3
    assert len(set(names)) == 1


async def test_other_sites_of_the_same_nginx_repeat_nothing(tmp_path: Path) -> None:
    """That a POST may be sent twice holds for this service alone: another one may sell something."""
    port, other, names = free_port(), free_port(), list[str]()

    async def shop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names.append((await reader.readline()).decode())
        writer.close()

    async with await asyncio.start_server(shop, "127.0.0.1", 0) as one:
        own = one.sockets[0].getsockname()[1]
        conf = of_two_front_ends(port, own, own).removesuffix("}\n")
        conf += f"upstream shop {{ server 127.0.0.1:{own}; server 127.0.0.1:{own}; }}\n"
        conf += f"server {{ listen 127.0.0.1:{other}; location / {{ proxy_pass http://shop; }} }}\n}}\n"
        async with (
            nginx(tmp_path, conf),
            aiohttp.ClientSession() as client,
            client.post(f"http://127.0.0.1:{other}/buy", data="one") as answer,
        ):
            assert answer.status == 502
    assert len(names) == 1


async def test_an_nginx_gives_each_pupil_a_key_and_a_turn(tmp_path: Path) -> None:
    """Though all come from one address; the service's own key opens nothing in an `Authorization`.

    A key may be as long as a good one is: nginx by itself holds none of 40 letters.
    """
    (conf,), port, bens_key = blocks(OPERATING, "nginx"), free_port(), "ben-key" + 64 * "0"
    conf = conf.replace("ben-key", bens_key)
    (env,) = blocks(OPERATING, "bash")
    (tmp_path / "env").write_text(env, encoding="utf-8")
    told = load({}, tmp_path / "env")
    async with (
        serving(tmp_path, api_key=told.api_key, trusted_proxies=told.trusted_proxies) as served,
        wsserver.server.listen(served.gateway, served.settings, port=0) as ws_port,
    ):
        own = on_loopback(conf, port).replace(f"127.0.0.1:{told.http_port};", f"127.0.0.1:{served.port};")
        own = own.replace(f"127.0.0.1:{told.ws_port};", f"127.0.0.1:{ws_port};")
        async with nginx(tmp_path, AROUND + own + "}\n"):

            async def ask(key: str, path: str = "/status", **headers: str) -> tuple[int, dict[str, object]]:
                headers["Authorization"] = f"Bearer {key}"
                async with served.client.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer:
                    return answer.status, json.loads(await answer.text())

            served.double.hold()
            for pupil in ("anna-key", "anna-key", bens_key):
                assert (await ask(pupil, "/text?input=a", Prefer="respond-async"))[0] == 202
            status, said = await ask(bens_key)
            assert (status, said["callers"], said["own"]) == (200, 2, {"waiting": 1, "running": 0})
            for stranger in ("THE-KEY", "", "ben-key"):
                assert (await ask(stranger))[0] == 401

            def socket(**headers: str) -> websockets.connect:
                address = f"ws://127.0.0.1:{port}/ws"
                return websockets.connect(address, max_size=None, additional_headers=headers)

            async with socket(Authorization=f"Bearer {bens_key}") as ben:
                await ben.send("a tower")
                assert json.loads(await ben.recv())["type"] == "queued"
                status, said = await ask(bens_key)
                assert (said["callers"], said["own"]) == (2, {"waiting": 2, "running": 0})
            async with socket() as nobody:
                await nobody.send(json.dumps({"type": "auth", "key": bens_key}))
                assert json.loads(await nobody.recv())["code"] == "unauthorized"
            served.double.release()


async def test_the_nginx_of_compose_lets_the_longest_prompts_through(tmp_path: Path) -> None:
    """In a URL, with as much in headers as a browser sends, and in a body, most of which lies in a file."""
    longest, port, cookie = "\N{MONKEY}" * 4000, free_port(), {"Cookie": "c=" + "c" * 4000}
    async with (
        serving(tmp_path) as served,
        nginx(tmp_path, of_compose(tmp_path, port, served.port)),
    ):
        url, words = f"http://127.0.0.1:{port}/text", {"input": longest, "negative_prompt": longest}
        query = "&".join(f"{name}={quote(text)}" for name, text in words.items())
        for asked in (
            served.client.get(f"{url}?{query}", headers=cookie),
            served.client.post(url, json=words, headers=cookie),
        ):
            async with asked as answer:
                assert answer.status == 200, await answer.text()
        async with served.client.get(f"{url}?input={'a' * 131_000}", headers=cookie) as answer:
            assert json.loads(await answer.text())["code"] == "invalid_request", (
                "that is not for nginx to say"
            )
    assert [each["prompt"] for each in served.double.txt2img_requests] == [longest] * 2


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"a" * 3_000_000, 413),
        (b"GET /text?input=%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 150_000), 414),
        (b"GET /text?input=hats HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"a" * 150_000), 400),
        (b"GET /text?input=hats HTTP/1.1\r\n\r\n", 400),
    ],
    ids=["a body", "a URL", "a header", "no host"],
)
async def test_what_the_nginx_of_compose_refuses_it_says_in_our_words(
    tmp_path: Path, said: bytes, status: int
) -> None:
    """To shell clients, too: the line break shows them the error. Nothing of it is in the log."""
    port = free_port()
    async with nginx(tmp_path, of_compose(tmp_path, port, free_port())):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(re.findall(r"content-length: (\d+)", head)[0]))
        writer.close()
    assert head.startswith(f"http/1.1 {status} ")
    assert "content-type: application/problem+json" in head
    assert "cache-control: no-store" in head
    assert body.startswith(b"\n{")
    words = json.loads(body)
    assert (words["status"], words["code"]) == (status, "invalid_request")
    assert {"title", "detail"} <= set(words)
    assert "hats" not in (tmp_path / "access").read_text() + (tmp_path / "log").read_text()


async def test_a_body_for_the_websocket_is_no_replica_that_is_gone_through_the_nginx_of_compose(
    tmp_path: Path,
) -> None:
    """Its client was meant for the other port, and would have been told to try again for ever."""
    port = free_port()
    async with (
        serving(tmp_path) as served,
        wsserver.server.listen(served.gateway, served.settings, port=0) as replica,
        nginx(tmp_path, of_compose(tmp_path, port, replica)),
        served.client.post(f"http://127.0.0.1:{port}/text", json={"input": "a"}) as answer,
    ):
        assert answer.status == 426, await answer.text()
        assert "HTTP port" in await answer.text()


async def test_the_log_of_the_nginx_of_compose_opens_no_picture(tmp_path: Path) -> None:
    """Neither a prompt nor the whole id of a job stands in it."""
    port = free_port()
    async with (
        serving(tmp_path) as served,
        nginx(tmp_path, of_compose(tmp_path, port, served.port)),
    ):
        url = f"http://127.0.0.1:{port}"
        async with served.client.get(f"{url}/image?input=hats&keep=true") as answer:
            id = answer.headers["X-Job-Id"]
        async with served.client.get(f"{url}/jobs/{id}/images/0") as answer:
            assert answer.status == 200
    log = (tmp_path / "access").read_text(encoding="utf-8")
    assert f'"GET /jobs/{id[:8]}.../images/0" 200' in log
    assert "hats" not in log


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux tells it")
@pytest.mark.parametrize(
    "said",
    [
        b"".join(b"X-%d: %s\r\n" % (n, b"a" * 134_000) for n in range(4)),
        b"Content-Length: 262144\r\n\r\n" + b"a" * 262_000,
        b"X: %s\r\nContent-Length: 262144\r\n\r\n" % (b"a" * 134_000) + b"a" * 262_000,
    ],
    ids=["heads", "bodies", "both"],
)
async def test_whoever_holds_connections_of_the_nginx_of_compose_open_takes_little_memory(
    tmp_path: Path, said: bytes
) -> None:
    """Heads and bodies that never end. NGINX_MEMORY is reckoned with 160 KiB for each connection."""
    port, number = free_port(), 200
    async with (
        serving(tmp_path) as served,
        nginx(tmp_path, of_compose(tmp_path, port, served.port)) as pid,
    ):

        async def stranger() -> asyncio.StreamWriter:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /text HTTP/1.1\r\nHost: 127.0.0.1\r\n" + said)
            with suppress(ConnectionError):  # it has heard enough
                await writer.drain()
            return writer

        async def ask() -> None:
            async with served.client.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert answer.status == 200

        await ask()
        before = memory_of_its_child(pid)
        strangers = [await stranger() for _ in range(number)]
        await ask()  # behind what they have sent
        taken = memory_of_its_child(pid) - before
        for writer in strangers:
            writer.close()
    assert taken < number * 160 * 1024


async def test_where_connections_run_out_the_nginx_of_compose_says_so_and_no_prompt(tmp_path: Path) -> None:
    """A client finds none, or none is left for its way on: what would be said then holds the request.

    Each client takes two. So with one of these numbers it is the first that lacks, with the other the second.
    """
    came, answers, log = asyncio.Queue[asyncio.StreamWriter](), list[bytes](), ""
    replica, port = (
        await asyncio.start_server(lambda _, writer: came.put_nowait(writer), "127.0.0.1", 0),
        free_port(),
    )
    conf = of_compose(tmp_path, port, replica.sockets[0].getsockname()[1])
    open_ones = []

    async def ask() -> bytes | None:
        """What a client hears; None when its request has arrived at the replica, which says nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        open_ones.append(writer)
        writer.write(b"GET /text?input=hats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        heard, arrived = asyncio.ensure_future(reader.read(12)), asyncio.ensure_future(came.get())
        await asyncio.wait({heard, arrived}, return_when=asyncio.FIRST_COMPLETED)
        if arrived.done():
            heard.cancel()
            open_ones.append(arrived.result())
            return None
        arrived.cancel()
        return b"" if heard.exception() else heard.result()

    async with replica:
        for number in (12, 13):
            few = re.sub("worker_connections .*;", f"worker_connections {number};", conf)
            async with nginx(tmp_path, few):
                while (answer := await ask()) is None:
                    pass
            answers.append(answer)
            log += (tmp_path / "log").read_text(encoding="utf-8")
        for writer in open_ones:
            writer.close()
    assert sorted(answers) == [b"", b"HTTP/1.1 500"]
    assert "worker_connections are not enough" in log
    assert "hats" not in log
