"""What the web page keeps stays kept, and what was taken away stays away: its store, its choices."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.a1111 import prompt_of
from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from playwright.async_api import Route

    from tests.browser.window import Open, Window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SEEN = """
const open = IDBFactory.prototype.open;
window.opened = [];
IDBFactory.prototype.open = function (...words) {
    const request = open.apply(this, words);
    request.addEventListener("success", () => window.opened.push(request.result));
    return request;
};
"""
"""Lets a test close the page's databases, as a browser does with those of a page that nobody sees."""
HOLD_FIRST = """
const getAll = IDBObjectStore.prototype.getAll;
const told = new Promise((resolve) => (window.goOn = resolve));
IDBObjectStore.prototype.getAll = function () {
    const request = getAll.call(this);
    const { transaction } = request;
    const then = (act) => transaction.addEventListener("complete", act);
    const oncomplete = { set: (act) => then(() => told.then(act)) };
    if (!window.hasRead) Object.defineProperties(transaction, { oncomplete });
    then(() => (window.hasRead = true));
    return request;
};
"""
"""What a page reads first of all that the browser keeps comes when the test says so, and the rest later."""


async def test_a_browser_that_closes_the_database_loses_nothing_and_brings_nothing_back(
    tmp_path: Path, open_window: "Open"
) -> None:
    async with serving(tmp_path) as served:
        window = await open_window("about:blank")
        await window.page.add_init_script(SEEN)
        await window.page.goto(served.url)
        await window.paint("the first")
        await window.sees_picture("the first")
        await window.page.evaluate("window.opened.splice(0).forEach((database) => database.close())")
        await window.paint("the second")
        await window.sees_picture("the second")
        await window.page.reload()
        await window.sees_number(window.pictures, 2)
        await window.page.evaluate("window.opened.splice(0).forEach((database) => database.close())")
        await window.press(window.page.locator("main"), "Clear the gallery")
        await window.press(window.viewer, "Clear it")
        await window.sees_number(window.pictures, 0)
        await window.page.reload()
        await window.sees(window.page.locator("#service"), "Ready")
        await window.sees_number(window.pictures, 0)


async def test_a_newer_page_in_another_tab_need_not_wait_for_this_one(
    tmp_path: Path, open_window: "Open"
) -> None:
    """It keeps pictures in another way: what this one paints from then on, it says, goes with it."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.paint("the first")
        await window.sees_picture("the first")
        newer = await window.another()
        await newer.page.goto(f"{served.url}/healthz")
        changed = await newer.page.evaluate(
            """() => new Promise((resolve) => {
                const request = indexedDB.open("sd-b64", 2);
                request.onsuccess = request.onblocked = ({ type }) => resolve(type);
            })"""
        )
        assert changed == "success"
        await window.paint("the second")
        await window.sees_picture("the second")
        await window.sees(window.page.locator("#kept"), "keeps 1 of them only until you close this page")


async def test_a_tab_that_opens_just_as_a_picture_is_finished_shows_it(
    tmp_path: Path, open_window: "Open"
) -> None:
    """It reads jobs and pictures one after the other: what goes over meanwhile is not missed."""
    async with serving(tmp_path) as served:
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        second = await window.another()
        await second.page.add_init_script(HOLD_FIRST)
        await second.page.goto(served.url)
        await second.page.wait_for_function("() => window.hasRead")
        served.double.release()
        await window.sees_picture("a lighthouse")
        await second.page.evaluate("goOn()")
        await second.sees_picture("a lighthouse")
        assert second.faults == []
    assert len(served.double.txt2img_requests) == 1


async def test_the_gallery_is_cleared_of_what_other_tabs_painted(tmp_path: Path, open_window: "Open") -> None:
    """On a computer that one shares, nothing is left for the next one who opens the page."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.paint("in this tab")
        await window.sees_picture("in this tab")
        other = await window.another()
        await other.page.goto(served.url)
        await other.paint("in the other tab")
        await other.sees_picture("in the other tab")
        await window.sees_number(window.pictures, 1)
        await window.press(window.page.locator("main"), "Clear the gallery")
        await window.sees(window.viewer, "2 pictures, kept nowhere else, will be gone.")
        await window.press(window.viewer, "Clear it")
        await window.sees_number(window.pictures, 0)
        await window.page.reload()
        await window.sees(window.page.locator("#service"), "Ready")
        await window.sees_number(window.pictures, 0)
        assert other.faults == []


async def test_a_picture_that_was_tried_again_is_new_also_in_a_full_gallery(
    tmp_path: Path, open_window: "Open"
) -> None:
    """Asked for long ago, it would be the oldest, and be the first to go.

    The server fails until it is healed: a request whose answer was lost on the way is sent again.
    """
    async with serving(tmp_path) as served:
        served.double.fault("/sdapi/v1/txt2img", "error")
        window = await open_window(served.url)
        await window.paint("at last")
        await window.sees(window.job("at last"), "The painting server failed")
        served.double.heal()
        await window.fill_gallery("another")
        await window.press(window.job("at last"), "Keep trying")
        await window.sees_picture("at last")
        await window.sees_number(window.pictures, 200)


async def test_a_picture_is_new_also_after_the_clock_was_set_back(
    tmp_path: Path, open_window: "Open"
) -> None:
    """In a full gallery all others are of tomorrow then, and the new one was the first to go."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.fill_gallery("the oldest")
        await window.page.add_init_script("const { now } = Date; Date.now = () => now() - 86_400_000;")
        await window.page.reload()
        await window.sees_number(window.pictures, 200)
        for prompt in ("a lighthouse", "a tower"):
            if prompt == "a tower":
                served.double.fault("/sdapi/v1/txt2img", "error")
            await window.paint(prompt)
            if prompt == "a tower":
                await window.sees(window.job(prompt), "The painting server failed")
                served.double.heal()
                await window.press(window.job(prompt), "Keep trying")
            await window.sees_picture(prompt)
            await window.sees(window.pictures.first, prompt)
        await window.page.reload()
        await window.sees(window.pictures.nth(1), "a lighthouse")
        await window.sees_number(window.pictures, 200)


async def test_a_picture_that_is_pushed_out_while_it_is_large_can_still_be_had(
    tmp_path: Path, open_window: "Open"
) -> None:
    """A full gallery lets its oldest go just then: it is shown, saved and left as before."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.fill_gallery("the oldest")
        served.double.hold(at=1)
        await window.paint("the newest")
        await window.sees(window.job("the newest"), "step 1")
        await window.pictures.last.locator(".frame").click()
        heading = window.viewer.locator("h2")
        await window.sees(heading, "the oldest")
        served.double.release()
        await window.sees_number(window.picture("the newest"), 1)
        await window.sees_number(window.picture("the oldest"), 0)
        _, content = await window.saved(window.viewer)
        assert prompt_of(content) == "the oldest"
        await window.page.keyboard.press("ArrowRight")  # there is none
        await window.sees(heading, "the oldest")
        image = window.viewer.get_by_role("img", name="the oldest")
        await image.evaluate("image => image.decode()")
        await window.page.keyboard.press("ArrowLeft")
        await window.sees(heading, "another")
        await window.page.keyboard.press("ArrowRight")
        await window.sees(heading, "another")
        await window.page.keyboard.press("Escape")
        await window.sees_number(window.viewer, 0)


async def test_a_model_whose_server_is_away_for_a_moment_stays_chosen(
    tmp_path: Path, open_window: "Open"
) -> None:
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.sees(window.page.locator("#service"), "Ready")
        chosen = await window.page.evaluate(
            """async () => {
                const { offer } = await import("/static/form.js");
                const { model, batch_size: count } = document.forms[0].elements;
                const limits = { pixels: 1e6, prompt: 100, batch_size: 8 };
                model.value = "beta";
                count.value = 8;
                offer({ models: ["alpha"], samplers: [], limits: { ...limits, batch_size: 4 } });
                const chosen = [model.value, count.value];
                offer({ models: ["alpha", "beta"], samplers: [], limits });
                return [...chosen, model.value, model.options.length];
            }"""
        )
        assert chosen == ["beta", "1", "beta", 3], "the server's own, alpha and beta, each once"


async def test_code_holds_the_address_of_the_page_and_nothing_behind_it(
    tmp_path: Path, open_window: "Open"
) -> None:
    """A link from elsewhere has words of its own behind the address."""
    async with serving(tmp_path) as served:
        window = await open_window(f"{served.url}/?from=elsewhere#top")
        await window.paint("a cave")
        await window.sees_picture("a cave")
        await window.pictures.first.locator(".frame").click()
        await window.sees(window.viewer.locator("code"), f"'{served.url}/image'")


async def test_the_arrow_keys_go_on_at_both_ends_of_the_gallery(tmp_path: Path, open_window: "Open") -> None:
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        for prompt in ("the older", "the newer"):
            await window.paint(prompt)
            await window.sees_picture(prompt)
        await window.pictures.first.locator(".frame").click()
        heading = window.viewer.locator("h2")
        await window.sees(heading, "the newer")
        await window.viewer.locator("#older").focus()
        await window.page.keyboard.press("Enter")
        await window.sees(heading, "the older")
        await window.sees_focus(window.viewer.locator("#older"))
        await window.page.keyboard.press("ArrowRight")  # there is none
        await window.sees(heading, "the older")
        await window.page.keyboard.press("ArrowLeft")
        await window.sees(heading, "the newer")


async def test_more_steps_than_usual_stay_chosen(tmp_path: Path, open_window: "Open") -> None:
    """The form is remembered before the server's limits are known."""
    async with serving(tmp_path, max_steps=300) as served:
        window = await open_window(served.url)
        await window.sees(window.page.locator("#service"), "Ready")
        await window.page.locator("summary").click()
        await window.page.get_by_label("Steps").fill("250")
        await window.page.reload()
        await window.sees(window.page.locator("#service"), "Ready")
        await window.sees(window.page.locator("#chosen"), "250 steps")


async def test_a_shape_fits_into_what_the_server_allows(tmp_path: Path, open_window: "Open") -> None:
    """At the limit its short side gives way: a square has no room for a side that is longer."""
    async with serving(tmp_path, max_pixels=640_000) as served:
        window = await open_window(served.url)
        page = window.page
        await window.sees(page.locator("#service"), "Ready")
        await page.locator("summary").click()
        await page.get_by_label("Width").fill("800")
        await page.get_by_label("Height").fill("800")
        for shape, width, height in (
            ("Landscape", 968, 648),
            ("Portrait", 648, 968),
            ("Square", 648, 648),
        ):
            await window.press(page.get_by_role("group", name="Shape"), shape)
            await _sees_size(window, width, height)
        await page.get_by_label("Width").fill("4000")  # a slip
        await page.get_by_label("Height").fill("4000")
        await window.press(page.get_by_role("group", name="Shape"), "Square")
        await _sees_size(window, 800, 800)
        await window.press(page.get_by_role("group", name="Shape"), "Landscape")
        await window.paint("a wide sea")
        await window.sees_picture("a wide sea")
    assert served.double.txt2img_requests[0]["width"] == 968


@pytest.mark.parametrize(("most", "square", "portrait"), [(70_000, 264, (216, 320)), (4096, 64, (64, 64))])
async def test_the_form_begins_with_what_the_server_allows(
    tmp_path: Path, open_window: "Open", most: int, square: int, portrait: tuple[int, int]
) -> None:
    """Where that is less than usual, nobody is refused for a size that they never chose, then or later."""
    async with serving(tmp_path, max_pixels=most) as served:
        window = await open_window(served.url)
        await _sees_size(window, square, square)
        await window.paint("a small house")
        await window.sees_picture("a small house")
        await window.page.reload()
        await _sees_size(window, square, square)
        await window.press(window.page.get_by_role("group", name="Shape"), "Portrait")
        await _sees_size(window, *portrait)
        await window.page.locator("summary").click()
        await window.press(window.page.locator("#options"), "Back to the defaults")
        await _sees_size(window, square, square)
    assert served.double.txt2img_requests[0]["width"] == square


async def _sees_size(window: "Window", width: int, height: int) -> None:
    """Wait until this size is chosen."""
    await window.sees(window.page.locator("#chosen"), f"{width} \N{MULTIPLICATION SIGN} {height}")


async def test_what_is_written_before_the_scripts_come_stays(tmp_path: Path, open_window: "Open") -> None:
    """On a slow line; what was left alone is as it was the last time."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        page = window.page
        pictures, come = page.get_by_role("combobox", name="Pictures"), asyncio.Event()
        await page.locator("summary").click()
        await page.get_by_label("Negative prompt").fill("rain")
        await page.get_by_label("Seed").fill("5")
        await pictures.select_option("3")
        await page.locator("summary").click()
        await window.paint("of the last time")
        await window.sees_picture("of the last time", 3)

        async def delay(route: "Route") -> None:
            await come.wait()
            await route.continue_()

        await page.route("**/static/main.js", delay)
        await page.reload(wait_until="commit")
        await window.prompt.fill("of this time")
        await pictures.select_option("2")
        await page.locator("summary").click()
        await page.get_by_label("Seed").fill("7")
        come.set()
        await window.sees_picture("of the last time", 3)
        await window.prompt.press("Enter")
        await window.sees_picture("of this time", 2)
        assert await page.get_by_label("Seed").is_visible()
    sent = served.double.txt2img_requests[-1]
    wanted = {"prompt": "of this time", "batch_size": 2, "seed": 7, "negative_prompt": "rain"}
    assert {name: sent[name] for name in wanted} == wanted


async def test_a_prompt_is_as_long_as_the_server_counts_it(tmp_path: Path, open_window: "Open") -> None:
    """An emoji is one character, also where the browser's own language counts two."""
    async with serving(tmp_path, max_prompt=10) as served:
        window = await open_window(served.url)
        await window.sees(window.page.locator("#service"), "Ready")
        monkeys = "\N{MONKEY}" * 10
        await window.paint(monkeys)
        await window.sees_picture(monkeys)


async def test_a_removed_card_leaves_the_page_where_it_is(tmp_path: Path, open_window: "Open") -> None:
    async with serving(tmp_path, max_attempts=1) as served:
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees_picture("a lighthouse")
        await window.keep_copies(30)
        await window.paint("/fail-500")
        await window.sees(window.job("/fail-500"), "The painting server failed")
        await window.page.reload()
        await window.sees_number(window.pictures, 31)
        await window.sees_number(window.job("/fail-500"), 1)  # it comes after them
        await window.page.evaluate(
            "() => document.querySelector('#wall').append(document.querySelector('.job'))"
        )
        remove = window.job("/fail-500").get_by_role("button", name="Remove")
        await remove.scroll_into_view_if_needed()
        before = await window.page.evaluate("scrollY")
        assert before > 500
        await remove.click()
        await window.sees_focus(window.pictures.last)
        assert await window.page.evaluate("scrollY") > 500


async def test_a_long_prompt_leaves_room_in_the_large_view(tmp_path: Path, open_window: "Open") -> None:
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        prompt = "a very long story " * 200
        await window.paint(prompt.strip())
        await window.sees_number(window.pictures, 1)
        await window.pictures.locator(".frame").click()
        box = await window.viewer.locator("h2").bounding_box()
        assert box is not None
        assert box["height"] < 300
