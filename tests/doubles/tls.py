"""A certificate of one's own making, which nobody trusts who is not told to."""

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest


async def own_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server on 127.0.0.1 needs to speak TLS with it, and the file for those who are to trust it.

    Skips the test where there is no openssl.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    pem = folder / "both.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=own"
    more = "-addext subjectAltName=IP:127.0.0.1 -keyout - -out -"
    with pem.open("wb") as file:
        made = await asyncio.create_subprocess_exec(
            openssl, *words.split(), *more.split(), stdout=file, stderr=asyncio.subprocess.DEVNULL
        )
        assert await made.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context, pem
