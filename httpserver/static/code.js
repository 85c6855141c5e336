/** A request as code to paste: what a person wrote is quoted, the key left out. */

import { HERE, hasKey } from "./wire.js";

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// JSON's strings and numbers are Python's, too.
const python = (request) => JSON.stringify(request, null, 4).replaceAll("\n", "\n    ");

const SAVE = `with open("picture.png", "wb") as file:`;
const HEADERS = `{"Authorization": "Bearer " + os.environ["API_KEY"]}`;

export const CODE = {
	curl(request) {
		const key = hasKey() ? ` -H "Authorization: Bearer $API_KEY"` : "";
		const fields = Object.entries(request).map(([name, value]) => `  --data-urlencode ${shell(`${name}=${value}`)} \\\n`);
		return `curl -sSfG ${shell(`${HERE}image`)}${key} \\\n${fields.join("")}  -o picture.png\n`;
	},

	python: (request) => `import base64
${hasKey() ? "import os\n" : ""}
import requests

response = requests.post(
    ${JSON.stringify(`${HERE}text`)},
    json=${python(request)},${hasKey() ? `\n    headers=${HEADERS},` : ""}
)
response.raise_for_status()
${SAVE}
    file.write(base64.b64decode(response.json()["image-base64"]))
`,

	websocket: (request) => `import base64
import json
${hasKey() ? "import os\n" : ""}
from websockets.sync.client import connect

URL = "${HERE[4] === "s" ? `wss${HERE.slice(5)}ws` : `ws://${location.hostname}:8765`}"  # or as you set it
with connect(URL, max_size=None${hasKey() ? `, additional_headers=${HEADERS}` : ""}) as socket:
    socket.send(json.dumps(${python(request)}))
    for text in socket:
        message = json.loads(text)
        if message["type"] == "image":
            ${SAVE}
                file.write(base64.b64decode(message["image-base64"]))
        else:
            print(message)
        if message["type"] in ("image", "error", "cancelled"):
            break
`,
};
