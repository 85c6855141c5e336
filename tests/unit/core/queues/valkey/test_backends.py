"""What a process knows of the painting servers."""

import pytest

from core.queues.valkey.backends import Backends
from tests.unit.core.examples import Clock, usable


@pytest.mark.parametrize("order", [1, -1])
def test_a_server_is_busy_with_what_it_paints_though_its_last_picture_is_still_on_its_way(order: int) -> None:
    """In whatever order Valkey names the two."""
    backends = Backends(Clock())
    runs = [b"gpu:1 990000 1.0", b"gpu:1 999000 1.0"][::order]
    backends.note(1000.0, (usable("gpu:1", pace=10.0),), runs)
    assert backends.busy() == {"gpu:1": pytest.approx(9.0)}
