"""What the application holds for its handlers, by typed keys."""

import asyncio

from aiohttp import web

from core import Access, Gateway, Limits, Visitor
from httpserver.prompt_file import PromptFile

GATEWAY = web.AppKey("gateway", Gateway)
ACCESS = web.AppKey("access", Access)
LIMITS = web.AppKey("limits", Limits)
PROMPTS = web.AppKey("prompts", PromptFile)
CLOSING = web.AppKey("closing", asyncio.Event)
"""Set when the server closes: from then on a connection that ends is not its client's doing."""
VISITOR = web.RequestKey("visitor", Visitor)
"""Who asks: the middleware finds out, before any handler runs."""
JOB = web.RequestKey("job", str)
"""The id of the job that is watched for it, from then on: what goes wrong later names it."""
