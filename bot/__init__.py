"""The Discord front end: /imagine, one message that lives, and pictures that are never lost or doubled."""

from bot.beside import beside
from bot.client import listen

__all__ = ["beside", "listen"]
