"""The queue's home on Valkey (or Redis): shared by any number of processes on any number of machines."""

from core.queues.valkey.queue import ValkeyQueue

__all__ = ["ValkeyQueue"]
