"""The crowd of clients, where it meets no server that does as it should."""

import pytest

from benchmarks.crowd import Heard, crowd
from benchmarks.processes import BenchmarkError
from tests.ports import free_port


async def test_a_crowd_that_cannot_connect_says_why() -> None:
    port = free_port()
    with pytest.raises(BenchmarkError, match=rf"port {port}: no connection: .*{port}"):
        async with crowd(3, port, "/idle", Heard()):
            pass


async def test_what_is_waited_for_in_vain_is_told_with_what_was_heard_instead() -> None:
    heard = Heard()
    heard.all.append((0.0, 0, b'{"type":"error","code":"no_backend"}', 36))
    with pytest.raises(BenchmarkError, match=r"in vain; 1 messages, the last one: .*no_backend"):
        await heard.until(lambda: False, within=0.01)
