"""The web page by keyboard: where it is, what a held or a doubled key does, and what has it afterwards."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from playwright.async_api import Locator, Route

    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_enter_paints_once_however_long_it_is_held(tmp_path: Path, open_window: "Open") -> None:
    """And not at all where it ends a composition: Safari tells of that with the key's code alone."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.prompt.fill("灯台")
        await window.prompt.evaluate(
            """(input) => input.dispatchEvent(
                new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true })
            )"""
        )
        await window.prompt.fill("a lighthouse")
        for _ in range(5):
            await window.page.keyboard.down("Enter")
        await window.page.keyboard.up("Enter")
        await window.sees_picture("a lighthouse")
        await window.sees_number(window.jobs, 0)
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["a lighthouse"]


async def test_a_key_that_is_held_presses_once_wherever_it_is(tmp_path: Path, open_window: "Open") -> None:
    """In a field, on a button, on a card and in the large view; a prompt gets its new lines all the same."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        page, again = window.page, "Again, with a new seed"

        async def hold(where: "Locator", key: str) -> None:
            await where.focus()
            for _ in range(5):
                await page.keyboard.down(key)
            await page.keyboard.up(key)

        await window.prompt.fill("a lighthouse")
        await page.locator("summary").click()
        await hold(page.get_by_label("Negative prompt"), "Enter")
        await window.sees_picture("a lighthouse", 1)
        await hold(page.get_by_role("button", name="Paint"), "Enter")
        await window.sees_picture("a lighthouse", 2)
        await hold(page.get_by_role("button", name="Paint"), "Space")
        await window.sees_picture("a lighthouse", 3)
        await hold(window.pictures.first.get_by_role("button", name=again), "Enter")
        await window.sees_picture("a lighthouse", 4)
        await window.pictures.first.locator(".frame").click()
        await hold(window.viewer.get_by_role("button", name="Again"), "Enter")
        await window.sees_number(window.viewer, 0)
        await window.sees_picture("a lighthouse", 5)
        await page.keyboard.down("Shift")
        await hold(window.prompt, "Enter")
        await page.keyboard.up("Shift")
        assert await window.prompt.input_value() == "a lighthouse" + 5 * "\n"
    assert len(served.double.txt2img_requests) == 5


async def test_the_keyboard_is_enough(tmp_path: Path, open_window: "Open") -> None:
    """To paint, to cancel, to look at the picture large, and to come back to where one was."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        keyboard = window.page.keyboard
        await window.sees_focus(window.prompt)
        await keyboard.type("first line")
        await keyboard.press("Shift+Enter")
        await keyboard.type("second line")
        await keyboard.press("Enter")
        await window.sees(window.job("first line"), "step 1")
        await _tab_to(window.page, "Cancel")
        await keyboard.press("Enter")
        await window.sees(window.job("first line"), "Cancelled")
        await window.sees_focus(window.job("first line"))
        await keyboard.press("Tab")
        await window.sees_focus(window.job("first line").get_by_role("button", name="Edit"))
        await keyboard.press("Enter")
        await window.sees_focus(window.prompt)
        await keyboard.press("Enter")
        await window.sees(window.job("first line"), "step 1")
        await _tab_to(window.page, "Cancel")
        served.double.release()
        await window.sees_picture("first line")
        opened = window.picture("first line").get_by_role("button", name="first line")
        await window.sees_focus(opened)
        await keyboard.press("Enter")
        await window.sees(window.viewer.locator("h2"), "first line")
        await keyboard.press("Escape")
        await window.sees_number(window.viewer, 0)
        await window.sees_focus(opened)
    assert served.double.txt2img_requests[-1]["prompt"] == "first line\nsecond line"


async def test_one_may_write_at_once(tmp_path: Path, open_window: "Open") -> None:
    """But no keyboard springs up on a phone, and an address that names another place leads there."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.sees_focus(window.prompt)
        phone = await open_window(served.url, is_mobile=True, has_touch=True)
        elsewhere = await open_window(f"{served.url}/#options")
        for other in (phone, elsewhere):
            await other.sees(other.page.locator("#service"), "Ready")
            assert await other.page.evaluate("() => document.activeElement === document.body")


async def test_the_keyboard_stays_where_somebody_put_it_before_the_scripts_came(
    tmp_path: Path, open_window: "Open"
) -> None:
    """As over a slow network, after a reload."""
    come = asyncio.Event()

    async def late(route: "Route") -> None:
        await come.wait()
        await route.continue_()

    async with serving(tmp_path) as served:
        window = await open_window("about:blank")
        await window.page.route("**/static/form.js", late)
        await window.page.goto(served.url, wait_until="commit")
        options = window.page.locator("summary")
        await options.focus()
        come.set()
        await window.sees(window.page.locator("#service"), "Ready")
        await window.sees_focus(options)


async def test_a_click_on_a_card_leaves_the_keyboard_where_no_key_does_harm(
    tmp_path: Path, open_window: "Open"
) -> None:
    """Whoever clicks a prompt and scrolls with Space has not cancelled anything."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        card = window.job("a lighthouse")
        await window.sees(card, "step 1")
        await card.locator(".prompt").click()
        await window.sees_focus(card)
        served.double.step()
        await window.sees(card, "step 2")
        await window.sees_focus(card)
        await window.page.keyboard.press("Space")
        served.double.release()
        await window.sees_picture("a lighthouse")


async def test_a_key_that_is_pressed_twice_costs_no_draft(tmp_path: Path, open_window: "Open") -> None:
    """What it pressed is gone by then: the keyboard is on the card, or the next one, and on no button."""
    draft = "what I am writing just now"
    async with serving(tmp_path, max_queue=1) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        keyboard = window.page.keyboard
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 1")
        await window.paint("a tower", "a mill")
        await window.sees(window.job("a mill"), "The queue is full")
        await window.prompt.fill(draft)
        for card, button, becomes in (
            (window.job("a mill"), "Keep trying", "Trying again in"),
            (window.job("a mill"), "Stop trying", "Keep trying, and yours goes in"),
            (window.job("a tower"), "Cancel", "Cancelled"),
        ):
            await card.get_by_role("button", name=button).focus()
            await keyboard.press("Enter")
            await window.sees(card, becomes)
            for key in ("Enter", "Space"):
                await window.sees_focus(card)
                await keyboard.press(key)
            await window.sees(card, becomes)
        for card, beside in (
            (window.job("a mill"), window.job("a tower")),
            (window.job("a tower"), window.job("a lighthouse")),
        ):
            await card.get_by_role("button", name="Remove").focus()
            await keyboard.press("Enter")
            await window.sees_focus(beside)
            await keyboard.press("Enter")
        await window.press(window.job("a lighthouse"), "Cancel")
        await window.sees(window.job("a lighthouse"), "Cancelled")
        await window.job("a lighthouse").get_by_role("button", name="Remove").focus()
        await keyboard.press("Enter")
        await window.sees_focus(window.page.locator("h1"))
        await keyboard.press("Enter")
        await window.sees_number(window.jobs, 0)
        await keyboard.press("Tab")
        await window.sees_focus(window.prompt)
        assert await window.prompt.input_value() == draft
    assert [each["prompt"] for each in served.double.txt2img_requests] == ["a lighthouse"]


async def test_a_double_click_costs_no_draft_and_no_other_card(tmp_path: Path, open_window: "Open") -> None:
    """What stands below the pointer by then is another button. Pages turn as fast as one clicks."""
    draft = "what I am writing just now"
    async with serving(tmp_path, max_queue=1) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 1")
        await window.paint("a tower", "a mill", "a house")
        await window.sees(window.job("a house"), "The queue is full")
        await window.prompt.fill(draft)

        async def click_twice(card: "Locator", button: str) -> None:
            await card.get_by_role("button", name=button).dblclick()

        await click_twice(window.job("a mill"), "Keep trying")
        await window.sees(window.job("a mill"), "Trying again in")
        await click_twice(window.job("a mill"), "Stop trying")
        await window.sees(window.job("a mill"), "Keep trying, and yours goes in")
        await click_twice(window.job("a house"), "Remove")
        await window.sees_number(window.jobs, 3)
        await click_twice(window.job("a tower"), "Cancel")
        await window.sees(window.job("a tower"), "Cancelled")
        assert await window.prompt.input_value() == draft
        served.double.release()
        await window.sees_picture("a lighthouse")
        await click_twice(window.picture("a lighthouse"), "Again, with a new seed")
        await window.sees_picture("a lighthouse", 2)
        await window.sees_number(window.job("a lighthouse"), 0)
        await window.prompt.fill("a third")
        await window.prompt.press("Enter")
        await window.sees_picture("a third")
        await window.pictures.first.locator(".frame").click()
        await window.viewer.get_by_role("button", name="Older picture").dblclick()
        await window.sees(window.viewer.locator("h2"), "a lighthouse")
        assert await window.viewer.locator("#older").get_attribute("aria-disabled") == "true"


async def test_the_keyboard_is_somewhere_when_what_had_it_is_gone(
    tmp_path: Path, open_window: "Open"
) -> None:
    """On the heading, from where Tab leads to the prompt: an idea, the key's button, the last picture."""
    async with serving(tmp_path, api_key="open-sesame") as served:
        window = await open_window(served.url)
        keyboard, heading = window.page.keyboard, window.page.locator("h1")
        await window.press(window.viewer, "Not now")
        await window.page.get_by_role("button", name="Enter the key").focus()
        await keyboard.press("Enter")
        await window.sees_focus(window.viewer.get_by_label("API key"))
        await keyboard.type("open-sesame")
        await keyboard.press("Enter")
        await window.sees(window.page.locator("#service"), "Ready")
        await window.sees_focus(heading)
        await keyboard.press("Tab")
        await window.sees_focus(window.prompt)
        await window.page.get_by_role("button", name="a monkey with a hat").focus()
        await keyboard.press("Enter")
        await window.sees_focus(heading)
        await window.sees_picture("a monkey with a hat")
        await window.pictures.locator(".frame").focus()
        await keyboard.press("Enter")
        await window.press(window.viewer, "Remove")
        await keyboard.press("Enter")
        await window.sees_number(window.pictures, 0)
        await window.sees_number(window.viewer, 0)
        await window.sees_focus(heading)


async def test_the_keyboard_is_somewhere_when_its_picture_is_pushed_out(
    tmp_path: Path, open_window: "Open"
) -> None:
    """By a new one, in a full gallery: on the last that is left; or, if it was large, on the heading."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.fill_gallery("the oldest")
        served.double.hold(at=1)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 1")
        await window.pictures.last.locator(".frame").focus()
        served.double.release()
        await window.sees_picture("a lighthouse")
        await window.sees_focus(window.pictures.last)
        await window.sees_number(window.picture("the oldest"), 0)
        served.double.hold(at=1)
        await window.paint("a tower")
        await window.sees(window.job("a tower"), "step 1")
        await window.pictures.last.locator(".frame").focus()
        await window.page.keyboard.press("Enter")
        await window.sees(window.viewer.locator("h2"), "another")
        served.double.release()
        await window.sees_number(window.picture("a tower"), 1)
        await window.sees_number(window.pictures, 200)  # a moment later the large one is pushed out
        await window.page.keyboard.press("Escape")
        await window.sees_number(window.viewer, 0)
        await window.sees_focus(window.page.locator("h1"))


async def _tab_to(page: object, name: str) -> None:
    from playwright.async_api import Page

    assert isinstance(page, Page)
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("() => document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"the keyboard does not reach {name}")
