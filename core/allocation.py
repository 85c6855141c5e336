"""Allocation: how a process that hands on pictures uses the garbage collector, and glibc's malloc."""

import ctypes
import gc
import sys

GC_THRESHOLD = 5_000, 10, 5
"""New objects until the garbage collector looks at them; of its runs, until it looks at older ones, too.

All three together bound what is dead and still there: a websocket that is gone leaves about a hundred objects
that refer to each other (its library's), and 15 KB.
"""
KEPT_BYTES = 32 * 1024 * 1024
"""Free memory that is kept for the next pictures, and the largest piece of it: glibc's own bound for both."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""mallopt(3)."""


def tune_memory() -> None:
    """Call it once, when all is imported."""
    # What was imported stays, so the collector need not look at it; and of the rest less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    # Else glibc gives the memory of each picture back, and fetching it anew, page by page, takes more time
    # than all that we do with the next one.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # musl has none
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
