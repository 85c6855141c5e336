"""Guide: what is told to whoever speaks something else than websocket."""

GUIDE = """\
This is the websocket of sd-b64-api: connect to it with a websocket client (ws://, not http://),
send {"input": "a monkey with a hat"} and read JSON messages until the one of type "image".
For plain HTTP there is GET /text?input=... on the HTTP port.
"""
UNREADABLE = (
    "HTTP/1.1 426 Upgrade Required\r\n"
    "Upgrade: websocket\r\n"
    "Connection: close, Upgrade\r\n"
    f"Content-Length: {len(GUIDE)}\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Cache-Control: no-store\r\n"
    f"\r\n{GUIDE}"
).encode()
"""Answers what no websocket begins with, such as a request with a body."""
