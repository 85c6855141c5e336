"""The websocket front end: many jobs over one connection, their progress, then their pictures."""

from wsserver.server import listen

__all__ = ["listen"]
