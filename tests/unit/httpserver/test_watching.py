"""What is told of a job that is asked for by its id."""

import pytest

from core import Failed, Queued, QueueUnavailable, Watch
from core.queues.valkey.watched import LOST
from httpserver.watching import last_event


async def test_of_a_job_that_the_queue_has_lost_it_is_not_said_that_it_failed() -> None:
    """Another front end may put it again: who asks once more finds it, or hears that it is gone."""
    watch = Watch("job")
    watch.tell(Queued(0, None))
    watch.tell(LOST)
    with pytest.raises(QueueUnavailable):
        await last_event(watch, 0)


async def test_of_a_job_that_failed_it_is_said_that_it_did() -> None:
    watch, end = Watch("job"), Failed("backend_error", "it is broken", 5.0)
    watch.tell(end)
    assert await last_event(watch, 0) == end
