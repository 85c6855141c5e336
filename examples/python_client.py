"""The original Python client: one prompt, one PNG. Usage: python examples/python_client.py [OUT.png]

The server is http://127.0.0.1:5000 unless SD_B64_URL names another one.
If it asks for a key, SD_B64_KEY holds it.
"""

import base64
import os
import sys

import requests  # pip install requests


def main() -> int:
    """Ask for a picture and save it, or print the error."""
    server = os.environ.get("SD_B64_URL", "http://127.0.0.1:5000").rstrip("/")
    out = sys.argv[1] if len(sys.argv) > 1 else "out.png"
    key = os.environ.get("SD_B64_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{server}/text?input=%22monkey%20with%20a%20hat%22"
    response = requests.get(url, headers=headers, timeout=600)
    if not response.ok:
        print(response.text.strip())
        return 1
    with open(out, "wb") as file:
        file.write(base64.b64decode(response.json()["image-base64"]))
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
