"""The backend for AUTOMATIC1111's API, which Forge, SD.Next and others serve as well."""

from core.backends.a1111.backend import A1111Backend
from core.backends.a1111.client import FROM_CONTAINERS, open_session
from core.backends.a1111.discovery import USUAL, Found, discover, usual_server

__all__ = ["FROM_CONTAINERS", "USUAL", "A1111Backend", "Found", "discover", "open_session", "usual_server"]
