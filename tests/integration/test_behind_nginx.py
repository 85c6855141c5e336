"""nginx in front, as docs/scaling.md writes it for a machine without Docker: a real one, by those lines."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import websockets

import wsserver.server
from core.settings import load
from tests.doubles.http_fixture import serving, until
from tests.ports import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
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


@asynccontextmanager
async def nginx(folder: Path, server: str) -> AsyncIterator[None]:
    """Run it with this server until one leaves."""
    assert NGINX is not None
    (folder / "nginx.conf").write_text(AROUND + server + "}\n", encoding="utf-8")
    command = (NGINX, "-e", "stderr", "-p", str(folder), "-c", "nginx.conf")
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until((folder / "pid").exists)  # it listens before it writes that
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(NGINX is None, reason="no nginx is here")
async def test_the_page_and_programs_come_in_through_nginx(tmp_path: Path) -> None:
    """By the name that is listed: its web page may paint, and so may programs on both wires."""
    server = re.findall(r"^```nginx\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)[0]
    (env,) = re.findall(r"^```bash\n(HTTP_PORT=5000\n.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "env").write_text(env, encoding="utf-8")
    told, port = load({}, tmp_path / "env"), free_port()
    page = {"Host": "pictures.example", "Origin": "http://pictures.example"}
    async with (
        serving(tmp_path, allowed_hosts=told.allowed_hosts, trusted_proxies=told.trusted_proxies) as served,
        wsserver.server.listen(served.gateway, served.settings, port=0) as ws_port,
        nginx(
            tmp_path,
            server.replace("listen 80;", f"listen 127.0.0.1:{port};")
            .replace(f"127.0.0.1:{told.http_port};", f"127.0.0.1:{served.port};")
            .replace(f"127.0.0.1:{told.ws_port};", f"127.0.0.1:{ws_port};"),
        ),
    ):
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
