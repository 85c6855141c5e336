/** Service: how the server is, looked at while somebody sees the page. */

import { byId, rest, write } from "./dom.js";
import { ask, Problem } from "./wire.js";

const EVERY = 10_000; // milliseconds
const KEPT = "What you ask for is kept here, and goes on as soon as it is back.";
const STATES = {
	ready: ["Ready"],
	demo: ["Ready", "Demo painter", "It invents pictures from your words; it is no diffusion model."],
	down: ["No painter", "No painting server is up.", "This page sees by itself when one is there."],
	locked: ["Locked", "Locked.", "This server wants a key before it paints."],
	away: ["No answer", "The server does not answer.", KEPT],
	rests: ["Not ready", "The server is not ready just now.", KEPT],
	offline: ["Offline", "You are offline.", KEPT],
};
let timer;
let seen = {}; // at the last look
let own = ""; // phases of this page's jobs

/** Look now and again: `offered(catalog)`, and `changed(state)` for a new state, or where any is news. */
export async function look(offered, changed, isNews) {
	clearTimeout(timer);
	timer = setTimeout(look, EVERY, offered, changed);
	if (document.hidden) return;
	const begun = performance.now();
	const found = await find();
	if (begun < seen.begun) return; // overtaken
	const { state: before } = seen;
	seen = { ...found, begun };
	const { state, status, catalog } = seen;
	if (status) byId("lock").close(); // whoever gave the key
	if (catalog) offered(catalog);
	show();
	if (isNews || state !== before) changed(state);
}

/** Say no less than this page's `jobs` do, and look soon after each change of that. */
export function follow(jobs, look) {
	const phases = jobs.map(({ state }) => state.phase).join();
	if (phases === own) return;
	own = phases;
	if (seen.state) show();
	clearTimeout(timer);
	timer = setTimeout(look, 300);
}

async function find() {
	const json = async (path) => (await ask(path, { signal: AbortSignal.timeout(EVERY) })).json();
	let status;
	try {
		status = await json("status");
		const catalog = await json("catalog");
		await json("readyz"); // by it a server that only rests for a moment is up
		return { state: catalog.demo ? "demo" : "ready", status, catalog };
	} catch (error) {
		if (!(error instanceof Problem)) return { state: navigator.onLine ? "away" : "offline" };
		return { state: { unauthorized: "locked", no_backend: "down" }[error.code] ?? "rests", status };
	}
}

function show() {
	const { state, status: { running, waiting, backends = [] } = {} } = seen;
	const [word, title = "", text = ""] = STATES[state];
	const busy = Object.entries({ painting: running, waiting }).map(([phase, told]) => {
		const count = Math.max(told, own.split(phase).length - 1);
		return count && `${count} ${phase}`;
	});
	const problems = backends.map(({ name, problem }) => problem && `${name}: ${problem}. `).filter(Boolean);
	document.body.dataset.state = state;
	write(byId("service"), busy.filter(Boolean).join(", ") || word);
	if (state !== "locked" && byId("unlock").matches(":focus")) rest();
	byId("notice").hidden = !title;
	write(byId("notice-title"), title);
	write(byId("notice-text"), state === "down" ? problems.join("") + text : text);
	byId("connect").hidden = problems[0] || !/demo|down/.test(state);
	byId("unlock").hidden = state !== "locked";
}
