"""Who may come in: each refusal over real sockets."""

from pathlib import Path

import pytest

from tests.doubles.a1111 import A1111Double
from tests.doubles.http_fixture import Served, serving

PATHS = (
    "/text?input=a",
    "/image?input=a",
    "/jobs/x",
    "/jobs/x/images/0",
    "/catalog",
    "/status",
    "/",
    "/nothing",
)
CLOSED = [path for path in PATHS if path != "/"]
"""What needs a key, where one is set."""


async def refused(served: Served, headers: dict[str, str], names: str) -> None:
    """Nothing is open to these headers, and the answer names what would open it."""
    for path in (*PATHS, "/healthz", "/readyz"):
        answer = await served.get(path, headers=headers)
        assert answer.refusal == (403, "forbidden")
        assert names in answer.json["detail"]
        assert "Access-Control-Allow-Origin" not in answer.headers
    posted = await served.ask("POST", "/text", headers=headers, body={"input": "a"})
    assert posted.refusal == (403, "forbidden")
    assert served.double.txt2img_requests == []


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost:1"]
)
async def test_a_foreign_page_may_not_call(tmp_path: Path, origin: str) -> None:
    """Its Origin is neither ours nor listed."""
    async with serving(tmp_path) as served:
        await refused(served, {"Origin": origin}, "ALLOWED_ORIGINS")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5000", "localhost.evil.example", "a b", "[::1"]
)
async def test_a_foreign_host_name_may_not_lead_here(tmp_path: Path, host: str) -> None:
    """DNS rebinding: the page's own name resolves to 127.0.0.1."""
    async with serving(tmp_path) as served:
        await refused(served, {"Host": host}, "ALLOWED_HOSTS")


async def test_another_site_s_request_may_not_come(tmp_path: Path) -> None:
    """Such as an <img> in a page anywhere; but one may follow a link to us, unless its job would stay."""
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with serving(tmp_path) as served:
        await refused(served, cross, "ALLOWED_ORIGINS")
        assert (await served.get("/image", headers=link, input="a")).status == 200
        assert (await served.get("/image", headers=link, input="a", keep="true")).refusal == (
            403,
            "forbidden",
        )


async def test_a_listed_page_may_have_pictures_kept(tmp_path: Path) -> None:
    """An EventSource has no other way to ask for that than the address."""
    async with serving(tmp_path, allowed_origins=("https://gallery.example",)) as served:
        page = {"Origin": "https://gallery.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        assert (await served.get("/image", headers=page, input="a", keep="true")).status == 200


async def test_the_page_s_own_files_are_refused_to_nobody(tmp_path: Path) -> None:
    """They are as public as this project, and without them the page could not say what is refused, and why.

    Another site's page may show them, and read none.
    """
    async with serving(tmp_path, api_key="secret") as served:
        for headers in (
            {"Origin": "https://pictures.example"},
            {"Host": "app"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            answer = await served.get("/static/main.js", headers=headers)
            assert answer.status == 200
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_nothing_is_painted_ahead_of_time(tmp_path: Path) -> None:
    """A browser that guesses what its user may open next is refused."""
    async with serving(tmp_path) as served:
        for headers in ({"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}):
            answer = await served.get("/image", headers=headers, input="a")
            assert answer.refusal == (403, "forbidden")
        assert served.double.txt2img_requests == []


async def test_our_own_page_may_call(tmp_path: Path) -> None:
    """Also by a loopback name, an address, or a listed name."""
    async with serving(tmp_path, allowed_hosts=("pictures.example",)) as served:
        own = [
            {"Host": f"localhost:{served.port}", "Origin": f"http://localhost:{served.port}"},
            {"Host": "pictures.example", "Origin": "http://pictures.example"},
            {"Host": "[::1]:5000"},
            {"Sec-Fetch-Site": "same-origin"},
        ]
        for headers in own:
            assert (await served.get("/text", headers=headers, input="a")).status == 200


async def test_a_listed_page_may_call_and_read(tmp_path: Path) -> None:
    """Pictures, errors and streams alike; others see nothing of it."""
    page = {"Origin": "https://gallery.example", "Sec-Fetch-Site": "cross-site"}
    async with serving(tmp_path, allowed_origins=("https://gallery.example",)) as served:
        for path, status in (("/text?input=a", 200), ("/text?input=", 400), ("/nothing", 404)):
            answer = await served.get(path, headers=page)
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == "https://gallery.example"
            assert answer.headers["Vary"] == "Origin"
            assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        streamed = {**page, "Accept": "text/event-stream"}
        async with served.client.get(f"{served.url}/text?input=a", headers=streamed) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "https://gallery.example"
        await refused_preflight(served, "https://evil.example")


async def refused_preflight(served: Served, origin: str) -> None:
    """A browser would stop here."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = await served.ask("OPTIONS", "/text", headers=headers)
    assert answer.refusal == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_listed_page_s_preflight_is_answered(tmp_path: Path) -> None:
    """It carries no key; what follows it must."""
    page = {"Origin": "https://gallery.example"}
    ask = {
        **page,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, prefer",
    }
    async with serving(tmp_path, allowed_origins=("https://gallery.example",), api_key="secret") as served:
        for path in ("/text", "/jobs/x"):
            answer = await served.ask("OPTIONS", path, headers=ask)
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == "https://gallery.example"
            assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
            allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
            assert set(ask["Access-Control-Request-Headers"].split(", ")) <= set(allowed)
        refused = await served.ask("POST", "/text", headers=page, body={"input": "a"})
        assert refused.refusal == (401, "unauthorized")
        assert refused.headers["Access-Control-Allow-Origin"] == "https://gallery.example"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer sécret"},
        {"Authorization": "Basic secret"},
        {"Authorization": "secret"},
    ],
)
async def test_without_the_key_nobody_comes_in(tmp_path: Path, headers: dict[str, str]) -> None:
    """Everything but health and the page itself needs it; who has it is let in."""
    async with serving(tmp_path, api_key="secret") as served:
        for path in CLOSED:
            answer = await served.get(path, headers=headers)
            assert answer.refusal == (401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.body.startswith(b"\n") == path.startswith("/text")
        assert (await served.ask("DELETE", "/jobs/x", headers=headers)).refusal[0] == 401
        assert (await served.get("/healthz", headers=headers)).status == 200
        assert (await served.get("/readyz", headers=headers)).status == 200
        page = await served.get("/", headers=headers)
        assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert served.double.txt2img_requests == []
        right = {"Authorization": "Bearer secret"}
        assert (await served.get("/text", headers=right, input="a")).status == 200


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_key_beyond_ascii_is_read_as_its_client_writes_it(tmp_path: Path, encoding: str) -> None:
    head = "GET /status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer schlüssel\r\n"
    async with serving(tmp_path, api_key="schlüssel") as served:
        answer = await served.send(head.encode(encoding) + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "path", ["/static/../status", "/static/%2e%2e/status", "//status", "/static%2f..%2fstatus", "/status/"]
)
async def test_no_way_leads_around_the_key(tmp_path: Path, path: str) -> None:
    """What is written like the page's own files is one of them, or nothing."""
    async with serving(tmp_path, api_key="secret") as served:
        answer = await served.send(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
    assert answer.split(b" ", 2)[1] in {b"401", b"404"}


async def test_a_forged_address_changes_nothing(tmp_path: Path) -> None:
    """Only a trusted proxy is believed, and of what it reports only what it saw itself."""
    forged = {"X-Forwarded-For": "203.0.113.7", "Prefer": "respond-async"}
    async with serving(tmp_path) as served:
        served.double.hold()
        await served.get("/text", headers=forged, input="a")
        await served.double.until(lambda: served.double.active)
        assert (await served.get("/status")).json["own"] == {"waiting": 0, "running": 1}
    async with serving(tmp_path, trusted_proxies=("127.0.0.1",)) as served:
        served.double.hold()
        forged["X-Forwarded-For"] = "198.51.100.9, 203.0.113.7"
        await served.get("/text", headers=forged, input="a")
        await served.double.until(lambda: served.double.active)
        running = {
            address: (await served.get("/status", headers={"X-Forwarded-For": address})).json["own"][
                "running"
            ]
            for address in ("203.0.113.7", "198.51.100.9", "127.0.0.1")
        }
        assert running == {"203.0.113.7": 1, "198.51.100.9": 0, "127.0.0.1": 0}


async def test_a_backend_s_password_is_shown_to_nobody(tmp_path: Path) -> None:
    """Neither where the backend is named, nor where it fails."""
    double = A1111Double(credentials=("user", "hush-hush"))
    async with serving(tmp_path, double=double) as served:
        answers = [
            await served.get("/text", input="a"),
            await served.get("/text", input="/fail-500"),
            await served.get("/status"),
            await served.get("/catalog"),
        ]
    assert answers[0].status == 200
    assert not any(b"hush" in answer.body for answer in answers)
