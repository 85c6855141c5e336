"""What can be done with a picture on the web page: again, edit, large, as code; and how many are kept."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.a1111 import prompt_of, seed_of
from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from playwright.async_api import Route

    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_again_has_a_new_seed_and_edit_the_old_one(tmp_path: Path, open_window: "Open") -> None:
    """So that an edit changes what was written, and nothing else."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.paint("a cat")
        await window.sees_picture("a cat")
        await window.press(window.picture("a cat"), "Again, with a new seed")
        await window.sees_picture("a cat", 2)
        await window.press(window.pictures.first, "Edit")
        await window.paint("a cat with a hat")
        await window.sees_picture("a cat with a hat")
    first, second, third = (request["seed"] for request in served.double.txt2img_requests)
    assert first != second
    assert third == second


async def test_the_large_view_tells_all_and_gives_it_away(tmp_path: Path, open_window: "Open") -> None:
    """Parameters, the picture itself, and code that paints the same picture when it is run."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url, permissions=["clipboard-read", "clipboard-write"])
        await window.paint('it\'s a "cat" & $HOME \\ ü 🐒')
        await window.sees_number(window.pictures, 1)
        _, content = await window.saved(window.pictures.first)
        await window.pictures.first.locator(".frame").click()
        viewer, clipboard = window.viewer, "() => navigator.clipboard.readText()"
        await window.sees(viewer.locator("dl"), f"Seed {seed_of(content)}")
        await window.press(viewer, "Copy parameters")
        await window.sees(viewer, "The parameters are in the clipboard.")
        assert f"Seed: {seed_of(content)}" in await window.page.evaluate(clipboard)
        await window.press(viewer, "Copy picture")
        await window.sees(viewer, "The picture is in the clipboard.")
        for language in ("curl", "Python"):
            await window.press(viewer, language)
            await window.press(viewer, "Copy code")
            await window.sees(viewer, "The code is in the clipboard.")
            await _run(await window.page.evaluate(clipboard), language, tmp_path)
            assert seed_of((tmp_path / "picture.png").read_bytes()) == seed_of(content)
            assert prompt_of((tmp_path / "picture.png").read_bytes()) == prompt_of(content)
            (tmp_path / "picture.png").unlink()
        await window.press(viewer, "Websocket")
        code = await window.viewer.locator("code").text_content() or ""
        compile(code, "websocket", "exec")
        assert json.dumps(prompt_of(content), ensure_ascii=False) in code
        assert 'URL = "ws://127.0.0.1:8765"' in code


async def test_behind_tls_the_code_speaks_to_the_websocket_of_the_proxy(
    tmp_path: Path, open_window: "Open"
) -> None:
    """Over `ws://` it would send the key in the clear, and to a port that nobody opened."""
    base = "https://pictures.example:8443/sd/"

    async def hand_on(route: "Route") -> None:
        url = f"{served.url}/{route.request.url.removeprefix(base)}"
        headers = await route.request.all_headers() | {"origin": served.url}
        await route.fulfill(response=await route.fetch(url=url, headers=headers))

    async with serving(tmp_path) as served:
        window = await open_window("about:blank")
        await window.page.route(f"{base}**", hand_on)
        await window.page.goto(base)
        await window.paint("a cave")
        await window.sees_picture("a cave")
        await window.pictures.first.locator(".frame").click()
        await window.press(window.viewer, "Websocket")
        code = await window.viewer.locator("code").text_content() or ""
    compile(code, "websocket", "exec")
    assert 'URL = "wss://pictures.example:8443/sd/ws"' in code
    assert "ws://" not in code.replace("wss://", "")


async def _run(code: str, language: str, folder: Path) -> None:
    program = ["bash", "-c", code] if language == "curl" else [sys.executable, "-c", code]
    ran = await asyncio.to_thread(
        subprocess.run, program, cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 0, ran.stderr


async def test_edit_leads_from_the_large_view_to_the_form(tmp_path: Path, open_window: "Open") -> None:
    """With what paints this one picture of several again, and the keyboard where one writes."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        page = window.page
        await page.get_by_role("combobox", name="Pictures").select_option("3")
        await page.locator("summary").click()
        await page.get_by_label("Seed").fill("7")
        await window.paint("triplets")
        await window.sees_picture("triplets", 3)
        await window.pictures.nth(2).locator(".frame").click()
        await window.sees(window.viewer.locator("dl"), "Seed 9")
        await window.press(window.viewer, "Edit")
        await window.sees_number(window.viewer, 0)
        await window.sees_focus(window.prompt)
        await page.keyboard.press("Enter")
        await window.sees_picture("triplets", 4)
    sent = [(each["seed"], each["batch_size"]) for each in served.double.txt2img_requests]
    assert sent == [(7, 3), (9, 1)]


async def test_a_picture_behind_the_last_seed_is_edited_with_a_seed_of_chance(
    tmp_path: Path, open_window: "Open"
) -> None:
    """A server counts the seeds of several pictures upwards, also beyond what may be asked for."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.page.get_by_role("combobox", name="Pictures").select_option("2")
        await window.page.locator("summary").click()
        await window.page.get_by_label("Seed").fill("4294967295")
        await window.paint("twins")
        await window.sees_picture("twins", 2)
        await window.sees(window.pictures.last, "seed 4294967296")
        await window.press(window.pictures.last, "Edit")
        await window.paint("a twin")
        await window.sees_picture("a twin")
    assert 0 <= served.double.txt2img_requests[-1]["seed"] < 2**32


async def test_again_from_far_down_shows_what_was_asked_for(tmp_path: Path, open_window: "Open") -> None:
    """On a phone, where the new card hangs high above; its keyboard goes, too, so that nothing is covered."""
    phone = {"viewport": {"width": 390, "height": 700}, "is_mobile": True, "has_touch": True}
    async with serving(tmp_path) as served:
        window = await open_window(served.url, **phone)
        await window.page.get_by_role("combobox", name="Pictures").select_option("4")
        await window.paint("houses")
        await window.sees_picture("houses", 4)
        assert not await window.prompt.evaluate("field => field === document.activeElement")
        served.double.hold(at=1)
        await window.picture("houses").last.get_by_role("button", name="Again").tap()
        await window.sees(window.job("houses"), "step 1")
        button = window.job("houses").get_by_role("button", name="Cancel")
        box = await button.bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= box["y"] + box["height"] <= 700
        served.double.release()


async def test_the_gallery_is_bounded(tmp_path: Path, open_window: "Open") -> None:
    """The oldest picture goes when there are more than 200."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.fill_gallery("the oldest")
        await window.sees_picture("the oldest")
        await window.paint("the newest")
        await window.sees_picture("the newest")
        await window.sees_number(window.pictures, 200)
        await window.sees_number(window.picture("the oldest"), 0)


async def test_the_gallery_is_bounded_also_where_several_tabs_have_filled_it(
    tmp_path: Path, open_window: "Open"
) -> None:
    """Each knew of its own pictures alone; and what a tab has not shown it does not clear."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.paint("the oldest")
        await window.sees_picture("the oldest")
        await window.keep_copies(204)
        await window.page.reload()
        await window.sees_number(window.pictures, 200)
        await window.press(window.page.locator("main"), "Clear the gallery")
        await window.sees(window.viewer, "200 pictures, kept nowhere else")
        await window.keep_copies(1)
        await window.press(window.viewer, "Clear it")
        await window.sees_number(window.pictures, 0)
        await window.page.reload()
        await window.sees_number(window.pictures, 1)
