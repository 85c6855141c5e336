"""The web page in a real Chromium: from a prompt to its picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.a1111 import A1111Double, prompt_of, seed_of
from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_prompt_becomes_a_picture(tmp_path: Path, open_window: "Open") -> None:
    """Enter paints; the card shows step, bar and preview; the picture is the one that was asked for."""
    async with serving(tmp_path) as served:
        served.double.hold(at=5)
        window = await open_window(served.url)
        await window.sees(window.page.locator("#empty"), "Nothing painted yet")
        await window.paint("a monkey with a hat")
        card = window.job("a monkey with a hat")
        await window.sees(card, "step 5 of 20")
        await window.sees_title("25 % · a monkey with a hat")
        await window.sees_number(card.locator("img[src^=blob]"), 1)
        assert await card.get_by_role("progressbar").get_attribute("value") == "0.25"
        await window.sees(window.page.get_by_role("log"), "a monkey with a hat: 25 percent")
        assert not await window.page.locator("#empty").is_visible()
        served.double.release()
        await window.sees_picture("a monkey with a hat")
        await window.sees_title("A sentence in, a picture out")
        await window.sees(window.page.get_by_role("log"), "a monkey with a hat: Picture ready")
        name, content = await window.saved(window.picture("a monkey with a hat"))
    assert prompt_of(content) == "a monkey with a hat"
    assert name == f"a-monkey-with-a-hat-{seed_of(content)}.png"


async def test_the_place_in_the_queue_and_the_time_left_move(tmp_path: Path, open_window: "Open") -> None:
    """Once a pace is known; the seconds count down between two words of the server."""
    async with serving(tmp_path, double=A1111Double(step_seconds=0.2)) as served:
        window = await open_window(served.url)
        await window.paint("first")
        await window.sees_picture("first")
        served.double.hold(at=1)
        await window.paint("second", "third", "fourth")
        fourth = window.job("fourth")
        await window.sees(fourth, "1 ahead of yours")
        await window.sees(window.job("third"), "Next")
        await window.sees(fourth, "about")
        said = await fourth.locator(".line").text_content()
        await window.sees_number(fourth.locator(".line").filter(has_not_text=said or ""), 1)
        await window.press(window.job("third"), "Cancel")
        await window.sees(fourth, "Next")
        served.double.release()
        await window.sees_picture("fourth")


async def test_what_is_ahead_may_be_several_pictures(tmp_path: Path, open_window: "Open") -> None:
    """A place is a number of requests, and not of what they ask for."""
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        await window.paint("first")
        await window.sees(window.job("first"), "step 1")
        await window.page.get_by_role("combobox", name="Pictures").select_option("3")
        await window.paint("triplets", "last")
        await window.sees(window.job("last"), "1 ahead of yours")
        served.double.release()
        await window.sees_picture("last", 3)


async def test_the_badge_agrees_with_the_cards(tmp_path: Path, open_window: "Open") -> None:
    """It never says less than they do, and soon no more, though the look of every ten seconds never comes."""
    no_look = """() => {
        const { setTimeout } = window;
        window.setTimeout = (act, wait, ...given) => wait === 10_000 ? 0 : setTimeout(act, wait, ...given);
    }"""
    watch = """() => {
        window.wrong = [];
        const compare = () => {
            const said = document.querySelector("#service").textContent;
            for (const phase of said ? ["painting", "waiting"] : []) {
                const cards = document.querySelectorAll(`[data-phase=${phase}]`).length;
                const [, told = 0] = said.match(`([0-9]+) ${phase}`) ?? [];
                if (told < cards) wrong.push(`${said}, but ${cards} ${phase}`);
            }
        };
        const all = { subtree: true, childList: true, characterData: true, attributes: true };
        new MutationObserver(compare).observe(document.body, all);
    }"""
    async with serving(tmp_path) as served:
        window = await open_window("about:blank")
        badge = window.page.locator("#service")
        await window.page.add_init_script(f"({no_look})()")
        await window.page.goto(served.url)
        await window.page.evaluate(watch)
        await window.sees(badge, "Ready")
        served.double.hold(at=1)
        await window.paint("first", "second", "third", "fourth")
        await window.sees(window.job("fourth"), "2 ahead of yours")
        await window.sees(badge, "1 painting, 3 waiting")
        assert await window.page.evaluate("wrong") == []
        await window.page.reload()
        await window.page.evaluate(watch)
        await window.sees(badge, "1 painting, 3 waiting")
        await window.press(window.job("second"), "Cancel")
        await window.sees(badge, "1 painting, 2 waiting")
        served.double.release()
        await window.sees_picture("fourth")
        await window.sees(badge, "Ready")
        assert await window.page.evaluate("wrong") == []


async def test_a_job_is_cancelled(tmp_path: Path, open_window: "Open") -> None:
    """The one that is painted is interrupted, the one that waits never reaches the server."""
    async with serving(tmp_path) as served:
        served.double.hold(at=2)
        window = await open_window(served.url)
        await window.paint("painted", "waiting")
        await window.sees(window.job("painted"), "step 2")
        await window.press(window.job("waiting"), "Cancel")
        await window.sees(window.job("waiting"), "Cancelled")
        await window.press(window.job("painted"), "Cancel")
        await window.sees(window.job("painted"), "Cancelled")
        await served.double.until(lambda: served.double.interrupts)
        await window.press(window.job("painted"), "Remove")
        await window.press(window.job("waiting"), "Edit")
        await window.sees_focus(window.prompt)
        assert await window.prompt.input_value() == "waiting"
        await window.sees_number(window.jobs, 0)
    assert [request["prompt"] for request in served.double.txt2img_requests] == ["painted"]


async def test_three_jobs_at_once(tmp_path: Path, open_window: "Open") -> None:
    """Each has its own card, and becomes its own picture; the title tells of all."""
    prompts = ["a red house", "a green house", "a blue house"]
    async with serving(tmp_path) as served:
        served.double.hold(at=10)
        window = await open_window(served.url)
        await window.paint(*prompts)
        await window.sees_number(window.jobs, 3)
        await window.sees_title("50 % · 3 pictures")
        await window.sees(window.job("a blue house"), "1 ahead of yours")
        served.double.release()
        for prompt in prompts:
            await window.sees_picture(prompt)
            _, content = await window.saved(window.picture(prompt))
            assert prompt_of(content) == prompt
        shown = await window.pictures.locator(".prompt").all_text_contents()
    assert shown == prompts[::-1], "the newest first"


async def test_more_jobs_than_a_browser_has_connections(tmp_path: Path, open_window: "Open") -> None:
    """Six go to one server: streams leave some free, so that a cancel gets through; all get their picture."""
    prompts = [f"house {number}" for number in range(1, 10)]
    async with serving(tmp_path) as served:
        served.double.hold(at=1)
        window = await open_window(served.url)
        await window.paint(*prompts)
        await window.sees(window.job("house 9"), "7 ahead of yours")
        await window.press(window.job("house 9"), "Cancel")
        await window.sees(window.job("house 9"), "Cancelled")
        served.double.release()
        for prompt in prompts[:-1]:
            await window.sees_picture(prompt)


async def test_several_pictures_of_one_request(tmp_path: Path, open_window: "Open") -> None:
    """Each hangs by itself, has its own seed, and can be taken down; the gallery can be cleared."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.page.get_by_role("combobox", name="Pictures").select_option("3")
        await window.page.locator("summary").click()
        await window.page.get_by_label("Seed").fill("7")
        await window.paint("triplets")
        await window.sees_picture("triplets", 3)
        seeds = [seed_of((await window.saved(window.pictures.nth(index)))[1]) for index in range(3)]
        assert seeds == [7, 8, 9]
        await window.pictures.first.locator(".frame").click()
        await window.press(window.viewer, "Remove")
        await window.press(window.page.locator("#asking"), "Remove it")
        await window.sees_number(window.pictures, 2)
        await window.page.keyboard.press("Escape")
        await window.sees(window.page.locator("#kept"), "2 pictures")
        await window.press(window.page.locator("footer"), "Clear the gallery")
        await window.press(window.page.locator("#asking"), "Keep")
        await window.sees_number(window.pictures, 2)
        await window.press(window.page.locator("footer"), "Clear the gallery")
        await window.press(window.page.locator("#asking"), "Clear it")
        await window.sees_number(window.pictures, 0)
        await window.page.reload()
        await window.sees(window.page.locator("#empty"), "Nothing painted yet")


async def test_what_was_chosen_is_remembered(tmp_path: Path, open_window: "Open") -> None:
    """The form and the gallery are those of the last time; every choice reaches the server."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        page = window.page
        await window.press(page.get_by_role("group", name="Shape"), "Landscape")
        await page.locator("summary").click()
        await page.get_by_label("Negative prompt").fill("rain")
        await page.get_by_label("Steps").fill("12")
        await page.get_by_label("Guidance").fill("4.5")
        await page.get_by_label("Seed").fill("5")
        await page.get_by_label("Sampler").select_option("Euler a")
        await page.get_by_label("Model").select_option("beta")
        await window.sees(page.locator("#chosen"), "512 · 12 steps · seed 5 · Euler a · beta")
        await window.paint("a wide sea")
        await window.sees_picture("a wide sea")
        await page.reload()
        await window.sees_picture("a wide sea")
        await window.sees(page.locator("#chosen"), "512 · 12 steps · seed 5 · Euler a · beta")
        assert await window.prompt.input_value() == "a wide sea"
    sent = served.double.txt2img_requests[0]
    wanted = {"prompt": "a wide sea", "negative_prompt": "rain", "width": 768, "height": 512, "steps": 12}
    wanted |= {"cfg_scale": 4.5, "seed": 5, "sampler_name": "Euler a"}
    assert {name: sent[name] for name in wanted} == wanted
    assert served.double.loaded == "beta"


async def test_an_idea_is_painted_as_one_has_chosen(tmp_path: Path, open_window: "Open") -> None:
    """In that shape, and so many of it; what one had begun to write stays."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        await window.press(window.page.get_by_role("group", name="Shape"), "Landscape")
        await window.page.get_by_role("combobox", name="Pictures").select_option("2")
        await window.prompt.fill("a monk")
        await window.press(window.page.locator("#ideas"), "a monkey with a hat")
        await window.sees_picture("a monkey with a hat", 2)
        await window.sees_focus(window.page.locator("h1"))
        assert await window.prompt.input_value() == "a monk"
    assert served.double.txt2img_requests[0]["width"] == 768


async def test_the_form_paints_without_scripts(tmp_path: Path, open_window: "Open") -> None:
    """Then the browser opens the picture itself; what was left empty is nobody's error."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url, java_script_enabled=False)
        await window.prompt.fill("a monkey & a hat")
        async with window.page.expect_navigation() as navigation:
            await window.page.get_by_role("button", name="Paint").click()
        answer = await navigation.value
        assert answer is not None
        assert answer.headers["content-type"] == "image/png"
    assert served.double.txt2img_requests[0]["prompt"] == "a monkey & a hat"


async def test_a_jpeg_is_a_picture_too(tmp_path: Path, open_window: "Open") -> None:
    """It is saved as what it is, and goes into the clipboard as PNG, which is all that clipboards take."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url, permissions=["clipboard-read", "clipboard-write"])
        await window.paint("a house /jpeg")
        await window.sees_picture("a house /jpeg")
        name, content = await window.saved(window.pictures.first)
        assert name.endswith(".jpg")
        assert content.startswith(b"\xff\xd8")
        await window.pictures.first.locator(".frame").click()
        await window.press(window.viewer, "Copy picture")
        await window.sees(window.viewer, "The picture is in the clipboard.")
        types = "async () => (await navigator.clipboard.read())[0].types"
        assert await window.page.evaluate(types) == ["image/png"]


async def test_a_preview_that_is_no_picture_stops_nothing(tmp_path: Path, open_window: "Open") -> None:
    """The card goes on with the steps; that the server did not answer would be wrong."""
    async with serving(tmp_path) as served:
        served.double.odd_previews = "data:image/png;base64,iVBORw0KGgo*"
        served.double.hold(at=4)
        window = await open_window(served.url)
        await window.paint("a lighthouse")
        await window.sees(window.job("a lighthouse"), "step 4")
        served.double.release()
        await window.sees_picture("a lighthouse")
        await window.sees_number(window.page.get_by_text("No answer"), 0)


async def test_on_plain_http_from_another_machine(
    tmp_path: Path, open_window: "Open", own_address: str
) -> None:
    """A browser allows less there: it paints, keeps, and copies texts; pictures it says it cannot copy."""
    async with serving(tmp_path, http_host="0.0.0.0", allow_anonymous=True) as served:
        window = await open_window(f"http://{own_address}:{served.port}/")
        assert not await window.page.evaluate("() => isSecureContext")
        await window.paint("a house")
        await window.sees_picture("a house")
        await window.pictures.first.locator(".frame").click()
        await window.press(window.viewer, "Copy parameters")
        await window.sees(window.viewer, "The parameters are in the clipboard.")
        await window.press(window.viewer, "Copy picture")
        await window.sees(window.viewer, "The picture is not copied: that works only on https.")
