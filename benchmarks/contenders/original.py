"""The original design, rebuilt for comparison: Flask, requests, jsonify, prompt.txt.

It runs as the original ran: nginx before two gunicorns with two sync workers each. `BACKENDS` in the
environment names the ports of the painting servers; the original knew one.

    gunicorn --workers 2 benchmarks.contenders.original:app
"""

import itertools
import os

import requests
from flask import Flask, Response, jsonify, request

URLS = itertools.cycle(
    f"http://127.0.0.1:{port}/sdapi/v1/txt2img" for port in os.environ.get("BACKENDS", "7860").split()
)


def text() -> Response:
    """`GET /text?input=PROMPT`."""
    prompt = request.args.get("input", "")
    with open("prompt.txt", "w", encoding="utf-8") as file:
        file.write(prompt)
    answer = requests.post(next(URLS), json={"prompt": prompt, "steps": 20}, timeout=60).json()
    return jsonify({"image-base64": answer["images"][0]})


app = Flask(__name__)
app.add_url_rule("/text", view_func=text)
