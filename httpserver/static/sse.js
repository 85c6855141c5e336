/** A `text/event-stream` body (WHATWG HTML, "Server-sent events"); ours has one `data:` line an event. */

/**
 * The data of each event. `alive` is called for all that arrives, comments too, the heartbeat.
 * A long line (a picture is one) is joined once, however small its pieces.
 */
export async function* readEvents(body, alive) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let held = [];
	try {
		for (;;) {
			const { value, done } = await reader.read();
			if (done) return;
			alive();
			const lines = value.split("\n");
			held.push(lines[0]);
			if (lines.length === 1) continue;
			lines[0] = held.join("");
			held = [lines.pop()];
			for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}
