"""The web page behind a proxy: under a path of its own, beside another service, and without its host."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.proxy import proxy
from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_it_works_behind_a_proxy_under_a_path_of_its_own(tmp_path: Path, open_window: "Open") -> None:
    """No address of the page is absolute, and nothing but plain HTTP is spoken."""
    async with serving(tmp_path) as served, proxy({"/paint": served.url}) as url:
        served.double.hold(at=4)
        window = await open_window(f"{url}/paint/")
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        served.double.release()
        await window.sees_picture("a lighthouse")


async def test_two_services_under_paths_of_one_address_have_nothing_in_common(
    tmp_path: Path, open_window: "Open"
) -> None:
    """To a browser they are one: neither gets the other's jobs, nor its key, nor what was chosen there."""
    async with (
        serving(tmp_path) as first,
        serving(tmp_path, api_key="open-sesame") as second,
        proxy({"/first": first.url, "/second": second.url}) as url,
    ):
        first.double.hold(at=4)
        window = await open_window(f"{url}/first/")
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        other = await window.another()
        await other.page.goto(f"{url}/second/")
        await other.page.get_by_label("API key").fill("open-sesame")
        await other.press(other.page.locator("#lock"), "Use this key")
        await other.sees(other.page.locator("#service"), "Ready")
        await other.sees_number(other.jobs, 0)
        assert await other.prompt.input_value() == ""
        async with window.page.expect_request("**/status") as asked:
            await window.page.reload()
        assert "authorization" not in (await asked.value).headers
        await window.sees(window.job("a lighthouse"), "step 4")
        first.double.release()
        await window.sees_picture("a lighthouse")
        assert other.faults == []
    assert second.double.txt2img_requests == []


async def test_behind_a_proxy_that_does_not_pass_host_it_says_what_to_list(
    tmp_path: Path, open_window: "Open"
) -> None:
    """As nginx with nothing but proxy_pass: the page's scripts come, and a job's card names its origin."""
    async with serving(tmp_path) as served, proxy({"": served.url}, without="Host") as url:
        window = await open_window(url)
        await window.paint("a lighthouse")
        card = window.job("a lighthouse")
        await window.sees(card, "The server does not allow this")
        await window.sees(card, f"pages of '{url}' may not call; list it in ALLOWED_ORIGINS")
