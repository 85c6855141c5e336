"""`/`: a plain form that opens its picture at `/image`. It needs no script, and may run none."""

from html import escape

from aiohttp import web

from core import LARGEST_SEED, SIZE_STEP, SMALLEST_SIDE, Catalog, Limits
from httpserver.keys import GATEWAY, LIMITS

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
STYLE = """\
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { max-width: 38rem; margin: 0 auto; padding: 2.5rem 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1.5rem; }
label { display: block; font-weight: 600; margin: 0 0 .25rem; }
input, select, textarea, button { font: inherit; box-sizing: border-box; width: 100%; padding: .5rem; }
input, select, textarea { border: 1px solid #767676; border-radius: .375rem; }
textarea { display: block; resize: vertical; }
p, .row { margin: 0 0 1.25rem; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(5.5rem, 1fr)); gap: 1rem; }
button { background: #1d4ed8; color: #fff; border: 0; border-radius: .375rem; font-weight: 600; }
button:hover { background: #1e3a8a; }
:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px; }
.note { border-inline-start: .25rem solid #f59e0b; padding: .125rem 0 .125rem .875rem; }
.small { font-size: .9375rem; }
code { font-family: ui-monospace, monospace; font-size: .9375em; overflow-wrap: anywhere; }
"""

_CONNECT = (
    "To use a real server, start A1111, Forge or SD.Next with <code>--api</code> and this service with "
    "<code>SD_BACKENDS=http://127.0.0.1:7860</code>."
)
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A sentence in, a picture out</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<h1>A sentence in, a picture out</h1>
{note}<form action="/image" method="get">
<p><label for="input">Prompt</label>
<textarea id="input" name="input" rows="3" maxlength="{limits.max_prompt}" required \
placeholder="a monkey with a hat"></textarea></p>
<p><label for="negative">Negative prompt (what should not be in it)</label>
<input id="negative" name="negative_prompt" maxlength="{limits.max_prompt}"></p>
<div class="row">
<div><label for="width">Width</label>{width}</div>
<div><label for="height">Height</label>{height}</div>
<div><label for="steps">Steps</label>\
<input id="steps" name="steps" type="number" min="1" max="{limits.max_steps}" value="{steps}"></div>
<div><label for="seed">Seed</label>\
<input id="seed" name="seed" type="number" min="-1" max="{largest_seed}" placeholder="random"></div>
</div>
{model}<p><button type="submit">Paint</button></p>
</form>
<p class="small">For programs: <code>curl "{origin}/text?input=a%20monkey%20with%20a%20hat"</code> answers \
with the picture as base64 in JSON. See also <a href="/catalog">what there is to choose from</a> and \
<a href="/status">how busy it is</a>.</p>
</main>
</body>
</html>
"""


async def get_page(request: web.Request) -> web.StreamResponse:
    """The form, with what there is to choose from at the moment."""
    catalog = await request.app[GATEWAY].catalog()
    html = form(catalog, request.app[LIMITS], str(request.url.origin()))
    return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": POLICY})


async def get_style(_request: web.Request) -> web.StreamResponse:
    """The form's own style sheet."""
    return web.Response(text=STYLE, content_type="text/css")


def form(catalog: Catalog, limits: Limits, origin: str) -> str:
    """The page as HTML. `origin` is how the visitor reached us; it and all names are escaped."""
    return _PAGE.format(
        note=_note(catalog),
        limits=limits,
        width=_side("width", limits),
        height=_side("height", limits),
        steps=min(20, limits.max_steps),
        largest_seed=LARGEST_SEED,
        model=_models(catalog.models),
        origin=escape(origin),
    )


def _note(catalog: Catalog) -> str:
    """What a person should know before painting: that only the demo paints, or that nothing does."""
    if catalog.demo:
        return (
            '<p class="note">Only the built-in demo painter paints now: a pretty picture from the words, '
            f"without Stable Diffusion. {_CONNECT}</p>\n"
        )
    if not catalog.takes_work:
        return f'<p class="note">No painting server can be used at the moment. {_CONNECT}</p>\n'
    return ""


def _side(name: str, limits: Limits) -> str:
    largest = limits.max_pixels // SMALLEST_SIDE
    return (
        f'<input id="{name}" name="{name}" type="number" min="{SMALLEST_SIDE}" max="{largest}" '
        f'step="{SIZE_STEP}" value="512">'
    )


def _models(models: tuple[str, ...]) -> str:
    if len(models) < 2:
        return ""
    choices = "".join(f"<option>{escape(model)}</option>" for model in models)
    return (
        '<p><label for="model">Model</label>'
        f'<select id="model" name="model"><option value="">any</option>{choices}</select></p>\n'
    )
