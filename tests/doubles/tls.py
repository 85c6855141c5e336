"""A certificate of one's own making, which nobody trusts."""

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest


async def own_certificate(folder: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with it; skips the test where there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    pem = folder / "both.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=gpu -keyout - -out -"
    with pem.open("wb") as file:
        made = await asyncio.create_subprocess_exec(
            openssl, *words.split(), stdout=file, stderr=asyncio.subprocess.DEVNULL
        )
        assert await made.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context
