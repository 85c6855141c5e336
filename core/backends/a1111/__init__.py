"""A1111: servers with the txt2img API of AUTOMATIC1111's web UI, its forks and its relatives."""

from core.backends.a1111.backend import A1111Backend
from core.backends.a1111.client import open_session
from core.backends.a1111.discover import Discovery, discover

__all__ = ["A1111Backend", "Discovery", "discover", "open_session"]
