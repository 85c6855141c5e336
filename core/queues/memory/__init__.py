"""The queue's home in memory: for one process that is all there is."""

from core.queues.memory.queue import MemoryQueue

__all__ = ["MemoryQueue"]
