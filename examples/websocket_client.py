"""A websocket client with a progress bar: python websocket_client.py "a monkey with a hat" out.png"""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path

import tqdm  # pip install tqdm websockets
import websockets

URL = os.environ.get("SD_B64_WS", "ws://127.0.0.1:8765")
HEADERS = {"Authorization": f"Bearer {key}"} if (key := os.environ.get("SD_B64_KEY")) else {}


async def main(prompt: str = "a monkey with a hat", path: str = "out.png") -> int:
    """Send the prompt, show how far it is, save the picture; 1 if there will be none."""
    # Pictures may exceed the 1 MiB that this library, like many, takes unless told otherwise.
    async with websockets.connect(URL, max_size=None, additional_headers=HEADERS) as socket:
        await socket.send(json.dumps({"input": prompt}))
        with tqdm.tqdm(total=100, bar_format="{desc} {percentage:3.0f}%|{bar}|") as bar:
            async for text in socket:
                message = json.loads(text)
                bar.set_description(message["type"])
                if message["type"] == "progress":
                    bar.update(round(100 * message["progress"]) - bar.n)
                elif message["type"] == "image":
                    bar.update(100 - bar.n)
                    Path(path).write_bytes(base64.b64decode(message["image-base64"]))
                    return 0
                elif message["type"] in {"error", "cancelled"}:
                    print(message.get("message", "the job was cancelled"), file=sys.stderr)
                    return 1
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
