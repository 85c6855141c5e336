"""What the A1111 double answers to txt2img: pure, chosen by the words in the prompt (see a1111.py)."""

import base64
import json
import re
from typing import Any

from tests.doubles.pictures import JPEG, WEBP, png

ESCAPES = "\x1b]0;mine\x07\x1b[2J\x9b31m\x00\u202e\u2028"
"""What retitles, clears, colours, and turns round what a terminal shows."""
FAILURES: dict[str, dict[str, Any]] = {
    "/fail-500": {"error": "RuntimeError", "errors": "mat1 and mat2 shapes cannot be multiplied"},
    "/oom": {
        "error": "OutOfMemoryError",
        "errors": "CUDA out of memory. Tried to allocate 20.00 GiB (GPU 0; 7.79 GiB total capacity)",
    },
    "/nan": {
        "error": "NansException",
        "errors": "A tensor with all NaNs was produced in Unet. Use --disable-nan-check to disable this.",
    },
    "/forge": {"error": "AttributeError", "message": "'NoneType' object has no attribute 'cond_stage_model'"},
    "/large-body": {
        "error": "ResponseValidationError",
        "detail": [{"input": "iVBORw0KGgo" * 100_000}],
        "body": "iVBORw0KGgo" * 100_000,
    },
    "/escapes": {"error": f"Value{ESCAPES}Error", "errors": f"bad{ESCAPES} value"},
    "/traceback": {
        "error": "ValueError",
        "errors": "bad value\nTraceback (most recent call last):\n"
        + '  File "/home/owner/webui/modules/processing.py", line 1, in run\n' * 40,
    },
}
"""500 with A1111's error body, or Forge's, behind the painting."""
LIMITED = {
    "error": "HTTPException",
    "code": 429,
    "detail": "10.0.0.5:/sdapi/v1/txt2img: rate limit exceeded",
    "body": "",
    "errors": "429: 10.0.0.5:/sdapi/v1/txt2img: rate limit exceeded",
}
"""SD.Next's 429, which takes the place of a picture that is painted."""
RELATIVES: dict[str, tuple[int, Any]] = {
    "/detail-500": (500, {"detail": "Invalid image format"}),
    "/busy-503": (503, {"detail": {"msg": "Server is busy; please try again later.", "type": ""}}),
    "/escapes-400": (400, {"detail": f"no such sam{ESCAPES}pler"}),
    "/escapes-422": (422, {"detail": [{"loc": ["body", f"st{ESCAPES}eps"], "msg": f"is too{ESCAPES} many"}]}),
    "/escapes-503": (503, {"detail": f"busy{ESCAPES} now"}),
    "/error-400": (400, {"error": "invalid params"}),
    "/message-400": (400, {"error": "HTTPException", "detail": "", "body": "", "message": "bad value"}),
    "/text-500": (500, "unsupported operand type(s) for +"),
    "/endless-500": (500, {"error": "RuntimeError", "errors": "x" * 5_000_000}),
    "/plain-500": (500, b"Internal Server Error"),
}
"""In shapes that A1111 itself lacks: FastAPI, KoboldCpp, stable-diffusion.cpp, Forge, SD.Next, Starlette."""
VALIDATION = {"loc": ["body", "steps"], "msg": "value is not a valid integer", "type": "type_error.integer"}

LONG_FIELD = {"loc": ["body", "steps" * 600_000], "msg": "extra fields not permitted"}


def refusal(body: dict[str, Any], samplers: tuple[str, ...]) -> tuple[int, Any] | None:
    """Status and body of what is answered before anything is painted: JSON, or a page of HTML as bytes."""
    prompt, sampler = str(body.get("prompt", "")), body.get("sampler_name")
    if "/404-sampler" in prompt or (sampler and samplers and sampler not in samplers):
        return 404, {"detail": "Sampler not found"}
    if "/400-sampler" in prompt:
        return 400, {"detail": "Sampler not found"}
    if "/errors-400" in prompt:
        return 400, {"error": "ValueError", "detail": "", "body": "", "errors": "bad value"}
    if "/422" in prompt:
        return 422, {"detail": [LONG_FIELD if "/422-long-field" in prompt else VALIDATION]}
    if status := re.search(r"/status-(\d{3})", prompt):
        return int(status[1]), f"<html><center><h1>{status[1]}</h1></center><hr>nginx</html>".encode()
    return next((answer for word, answer in RELATIVES.items() if word in prompt), None)


def failure(prompt: str) -> dict[str, Any] | None:
    """The error body of a painting that fails."""
    error = next((error for word, error in FAILURES.items() if word in prompt), None)
    return {"detail": "", "body": "", **error} if error else None


def success(body: dict[str, Any], seed: int, model: str, sampler: str) -> bytes:
    """The JSON of a painting that worked: compact and with the pictures first, as FastAPI writes it."""
    prompt = str(body.get("prompt", ""))
    seeds = [seed + index for index in range(int(body.get("batch_size", 1)))]
    infotexts = [infotext(body, seed, model, sampler) for seed in seeds]
    pictures = [] if "/empty-images" in prompt else [_picture(body, text) for text in infotexts]
    pictures = pictures[:1] if "/fewer" in prompt else pictures
    info = {
        "prompt": prompt,
        "seed": seed,
        "all_seeds": seeds,
        "width": body.get("width", 512),
        "height": body.get("height", 512),
        "sampler_name": sampler,
        "steps": body.get("steps", 50),
        "sd_model_name": model,
        "infotexts": infotexts,
        "index_of_first_image": 0,
    }
    told = "" if "/no-info" in prompt else json.dumps(info)
    answer = {"images": pictures, "parameters": body, "info": told}
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()


def infotext(body: dict[str, Any], seed: int, model: str, sampler: str) -> str:
    """A1111's text of all parameters."""
    return (
        f"{body.get('prompt', '')}\nNegative prompt: {body.get('negative_prompt', '')}\n"
        f"Steps: {body.get('steps', 50)}, Sampler: {sampler}, CFG scale: {body.get('cfg_scale', 7)}, "
        f"Seed: {seed}, Size: {body.get('width', 512)}x{body.get('height', 512)}, Model: {model}"
    )


def _picture(body: dict[str, Any], parameters: str) -> str:
    prompt = str(body.get("prompt", ""))
    if "/jpeg" in prompt or "/webp" in prompt:
        return base64.b64encode(JPEG if "/jpeg" in prompt else WEBP).decode()
    kilobytes = re.search(r"/kb-(\d+)", prompt)
    size = (int(body.get("width", 512)), int(body.get("height", 512)))
    picture = png(*size, parameters, ballast=1000 * int(kilobytes[1]) if kilobytes else 0)
    if "/truncate" in prompt:
        picture = picture[: len(picture) // 2]
    text = base64.b64encode(picture).decode()
    if "/bad-base64" in prompt:
        text = text[:-9] + "~" + text[-8:]
    if "/odd-letter" in prompt:
        text = text[:300] + "~" + text[301:]
    return f"data:image/png;base64,{text}" if "/data-uri" in prompt else text
