// The websocket, for Node 22 or newer: node websocket_client.mjs "a monkey with a hat" out.png
// Node 20 has it behind an option: node --experimental-websocket websocket_client.mjs
import { writeFileSync } from "node:fs";

const [prompt = "a monkey with a hat", path = "out.png"] = process.argv.slice(2);

if (!globalThis.WebSocket) {
  console.error(`Node ${process.version} has no WebSocket: take Node 22, or --experimental-websocket`);
  process.exit(2);
}
const key = process.env.SD_B64_KEY; // where the server asks for one
const socket = new WebSocket(process.env.SD_B64_WS ?? "ws://127.0.0.1:8765");
process.exitCode = 1; // until the picture is there

socket.onopen = () => {
  socket.onclose = ({ code }) => code === 1006 && console.error("the connection broke");
  if (key) socket.send(JSON.stringify({ type: "auth", key })); // this WebSocket sends no headers of ours
  socket.send(JSON.stringify({ input: prompt, steps: 20 }));
};
socket.onerror = (event) => console.error(event.message || "no connection to the server");
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === "queued") console.log(`${message.position} ahead`);
  if (message.type === "progress") {
    console.log(`step ${message.step} of ${message.steps}, ${message.eta ?? "?"} s left`);
  }
  if (message.type === "image") {
    writeFileSync(path, Buffer.from(message["image-base64"], "base64"));
    console.log(`${path}, seed ${message.seed}`);
    process.exitCode = 0;
  }
  if (message.type === "error") console.error(message.message);
  if (["image", "error", "cancelled"].includes(message.type)) socket.close();
};
