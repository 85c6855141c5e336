"""The web page in a real Chromium: from a prompt to its picture, and what can be done with one."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.a1111 import A1111Double, prompt_of, seed_of
from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from playwright.async_api import Locator, Route

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


async def test_events_are_read_in_whatever_pieces_they_come(tmp_path: Path, open_window: "Open") -> None:
    """Cut anywhere, in the middle of a letter as well; comments and ids are no events."""
    stream = 'event: queued\nid: 1\ndata: {"a": "ü🐒"}\n\n: beat\nevent: image\ndata: {"b": 2}\nid: over\n\n'
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        read = """async ([bytes, size]) => {
            const { readEvents } = await import("/static/sse.js");
            const pieces = [];
            for (let at = 0; at < bytes.length; at += size) {
                pieces.push(new Uint8Array(bytes.slice(at, at + size)));
            }
            const body = new ReadableStream({
                pull: (control) => (pieces.length ? control.enqueue(pieces.shift()) : control.close()),
            });
            const found = [];
            for await (const data of readEvents(body, () => {})) found.push(data);
            return found;
        }"""
        for size in (1, 2, 7, 1000):
            assert await window.page.evaluate(read, [list(stream.encode()), size]) == [
                '{"a": "ü🐒"}',
                '{"b": 2}',
            ]


async def test_html_stays_a_text(tmp_path: Path, open_window: "Open") -> None:
    """In a prompt, in the title, in an error, in a model's name, and wherever the picture tells of it."""
    hostile = "<img src=x onerror=\"alert('owned')\"><script>alert(1)</script>"
    model = hostile.replace("/", "_")  # as A1111 names one
    double = A1111Double(models=(model,))
    async with serving(tmp_path, double=double) as served:
        served.double.hold(at=10)
        window = await open_window(served.url)
        await window.page.locator("summary").click()
        await window.page.get_by_label("Model").select_option(model)
        await window.paint(hostile)
        await window.sees(window.jobs, hostile)
        await window.sees_title(f"50 % · {hostile[:60]}")
        served.double.release()
        await window.sees_picture(hostile)
        await window.paint("/fail-500 <b onclick=alert(2)>bold</b>")
        await window.sees(window.jobs, "The painting server failed")
        await window.pictures.first.locator(".frame").click()
        await window.sees(window.viewer.locator("h2"), hostile)
        await window.sees(window.viewer.locator("dl"), model)
        await window.sees_number(window.page.locator("img[src=x], [onerror], script:not([src])"), 0)
        await window.page.reload()
        await window.sees_picture(hostile)
        await window.sees_number(window.page.locator("img[src=x], [onerror], script:not([src])"), 0)


async def test_even_a_fault_of_ours_could_run_no_script(tmp_path: Path, open_window: "Open") -> None:
    """The policy forbids HTML from a string, inline scripts and styles, and everything from elsewhere."""
    async with serving(tmp_path) as served:
        window = await open_window(served.url)
        refused = await window.page.evaluate(
            """() => {
                try { document.body.innerHTML = "<b>x</b>"; return ""; } catch (error) { return error.name; }
            }"""
        )
        assert refused == "TypeError"
        await window.page.evaluate(
            """async (url) => {
                const style = document.createElement("style");
                style.textContent = "body { display: none }";
                document.head.append(style);
                await fetch(url).catch(() => {});
            }""",
            "http://192.0.2.1/",
        )
        assert await window.page.locator("body").is_visible()
    told = window.faults.copy()
    window.faults.clear()
    assert len(told) >= 2
    assert all("Content Security Policy" in fault or "TrustedHTML" in fault for fault in told)


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
