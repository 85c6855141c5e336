"""Strangers' pictures: how many of them are read at once."""

import asyncio
from typing import Any, cast

import pytest

from bot.downloads import READERS, Downloads
from tests.doubles.pictures import png


async def test_few_pictures_are_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be a file of 25 MiB, and far more once it is unpacked."""
    downloads = Downloads(cast(Any, None), "")
    under_way, most = 0, 0

    async def fetch(url: str) -> bytes | None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return png(8, 8, url) if url else None

    monkeypatch.setattr(downloads, "fetch", fetch)
    urls = [*(f"picture {number}" for number in range(9)), ""]
    assert await asyncio.gather(*map(downloads.parameters, urls)) == [*urls[:-1], None]
    assert most == READERS
