// Events over HTTP, for Node 18 or newer: node fetch_client.mjs "a monkey with a hat" out.png
import { writeFileSync } from "node:fs";

const [prompt = "a monkey with a hat", path = "out.png"] = process.argv.slice(2);
const server = (process.env.SD_B64_URL ?? "http://127.0.0.1:5000").replace(/\/$/, "");
const key = process.env.SD_B64_KEY; // where the server asks for one
const authorization = key ? { Authorization: `Bearer ${key}` } : {};
const response = await fetch(`${server}/text`, {
  method: "POST",
  headers: { "Content-Type": "application/json", Accept: "text/event-stream", ...authorization },
  body: JSON.stringify({ input: prompt, steps: 20 }),
});
if (!response.ok) {
  console.error(await response.text());
  process.exit(1);
}

process.exitCode = 1; // until the picture is there
let text = "";
for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
  text += chunk;
  const blocks = text.split("\n\n"); // one event each; the last is not whole yet
  text = blocks.pop();
  for (const block of blocks) {
    const data = block.split("\n").find((line) => line.startsWith("data: "));
    if (data) hear(JSON.parse(data.slice(6)));
  }
}

function hear(event) {
  if (event.type === "queued") console.log(`${event.position} ahead`);
  if (event.type === "progress") console.log(`step ${event.step} of ${event.steps}, ${event.eta ?? "?"} s left`);
  if (event.type === "image") {
    writeFileSync(path, Buffer.from(event["image-base64"], "base64"));
    console.log(`${path}, seed ${event.seed}`);
    process.exitCode = 0;
  }
  if (event.type === "error" || event.type === "cancelled") console.error(event.message ?? "cancelled");
}
