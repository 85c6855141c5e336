"""Workers: each is one slot of one backend. It claims a job, has it painted, tells how it ended."""

from core.worker.fleet import Fleet
from core.worker.slot import Worker

__all__ = ["Fleet", "Worker"]
