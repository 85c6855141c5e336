"""A Valkey that asks for a name, a password and TLS; and nobody ever reads them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.doubles.a1111 import A1111Double
from tests.doubles.pictures import prompt_of
from tests.doubles.relay import Relay
from tests.doubles.shared_fixture import House, picture_of
from tests.doubles.tls import own_certificate
from tests.valkey_server import ValkeyServer

USER, PASSWORD = "painter-7f3a", "s3cr3t-9c1e"
ACL = f"user {USER} on >{PASSWORD} ~{{sd}}:* &{{sd}}:* +@all -@admin -@dangerous"
"""All that the docs ask for: our keys, our channels, nothing that an administrator does."""


class GuardedServer(ValkeyServer):
    """One that lets in this user alone."""

    def __init__(self, folder: Path) -> None:
        users = folder / "users.acl"
        users.write_text(f"user default off\n{ACL}\n", encoding="utf-8")
        super().__init__("--aclfile", str(users))

    @property
    def url(self) -> str:
        return f"redis://{USER}:{PASSWORD}@127.0.0.1:{self.port}/0"


@asynccontextmanager
async def tls_before(server: ValkeyServer, folder: Path) -> AsyncIterator[str]:
    """The same by TLS, with a certificate that signs itself: the Valkey of the tests is built without it."""
    context, certificate = await own_certificate(folder)
    async with Relay(server.port, tls=context) as relay:
        yield f"rediss://{USER}:{PASSWORD}@127.0.0.1:{relay.port}/0?ssl_ca_certs={certificate}"


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["password", "TLS"])
async def test_all_goes_on_behind_a_password_and_tls_and_nobody_reads_it(tmp_path: Path, tls: bool) -> None:
    """Not in a log, a status or an error, with the queue there and away."""
    async with AsyncExitStack() as stack:
        double = await stack.enter_async_context(A1111Double())
        house = await stack.enter_async_context(House(valkey=GuardedServer(tmp_path)))
        if tls:
            url = await stack.enter_async_context(tls_before(house.valkey, tmp_path))
            house.environ["REDIS_URL"] = url
        worker, http = await house.worker(double), await house.front_end()
        await house.until_paints(http, 1)
        answer = await http.get("/text", input="behind a password")
        assert prompt_of(picture_of(answer)) == "behind a password"
        told = [(await http.get("/status")).body.decode()]
        house.valkey.kill()
        for path in ("/text?input=new", "/status", "/catalog"):
            away = await http.get(path)
            assert away.refusal == (503, "queue_unavailable")
            told.append(away.body.decode() + str(away.headers))
        await worker.says("the shared queue cannot be reached")
        told += [worker.text, http.text]
        assert not [text for text in told for secret in (USER, PASSWORD) if secret in text]


@pytest.mark.slow
async def test_a_wrong_password_is_named_in_the_log_and_not_repeated(tmp_path: Path) -> None:
    async with House(valkey=GuardedServer(tmp_path)) as house:
        wrong = house.valkey.url.replace(PASSWORD, "wr0ng-55aa")
        http = await house.starting_front_end(REDIS_URL=wrong)
        await http.says("REDIS_URL: the shared queue does not let us in; waiting for it.*password")
        assert "wr0ng-55aa" not in http.text
        assert USER not in http.text
