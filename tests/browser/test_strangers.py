"""What comes to the web page from elsewhere runs nothing there, and is read however it is cut."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.a1111 import A1111Double
from tests.doubles.http_fixture import serving

if TYPE_CHECKING:
    from tests.browser.window import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TRANSLATE = """() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) if (texts.currentNode.data.trim()) found.push(texts.currentNode);
    for (const text of found) {
        if (text.parentNode.closest("[translate=no], textarea")) continue;
        const { data } = text;
        if (text.parentNode.matches("option")) text.data = `«${data}»`;
        else {
            const font = document.createElement("font");
            font.append(`«${data}»`);
            text.replaceWith(font);
        }
    }
}"""
"""As browsers do it for people who read no English: every text is another, most in elements of their own."""


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


async def test_a_page_that_is_translated_says_and_asks_the_same(tmp_path: Path, open_window: "Open") -> None:
    """What is read stays translated while it is the same, and names and code are not other ones by it."""
    async with serving(tmp_path) as served:
        window = await open_window("about:blank")
        await window.page.add_init_script("window.setInterval = (tick) => (window.tick = tick);")
        await window.page.goto(served.url)
        await window.paint("/fail-500")
        await window.sees(window.job("/fail-500"), "The painting server failed")
        await window.sees(window.page.locator("#service"), "Ready")
        await window.page.evaluate(TRANSLATE)
        await window.page.evaluate("tick()")
        await window.sees(window.job("/fail-500"), "«The painting server failed»")
        await window.page.locator("summary").click()
        await window.page.get_by_label("Sampler").select_option(index=2)
        await window.page.get_by_label("Model").select_option(index=2)
        await window.paint("a lighthouse")
        await window.sees_picture("a lighthouse")
        await window.pictures.locator(".frame").click()
        await window.page.evaluate(TRANSLATE)
        assert "«" not in (await window.viewer.locator("code").text_content() or "")
    sent = served.double.txt2img_requests[-1]
    assert sent["sampler_name"] == served.double.samplers[1]
    assert sent["override_settings"]["sd_model_checkpoint"].startswith("beta")


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
