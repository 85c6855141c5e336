"""The HTTP front end: prompts come in as URLs and JSON, pictures go out as base64, as bytes, as events."""

from httpserver.server import listen

__all__ = ["listen"]
