/** Voice: tells a screen reader how the jobs are, and not too much of it. */

import { stateWords } from "./words.js";

const QUIET = 5_000; // milliseconds between words about one phase
const told = new WeakMap(); // a job: phase and news of it that were said last
let last = 0;

/** Say how a job is, where that is news. `now` in milliseconds. */
export function tell(job, now) {
	const { state, record } = job;
	const { phase, position = "", fraction = 0 } = state;
	const quarter = Math.floor(4 * fraction);
	const news = [phase, position, quarter].join();
	const before = told.get(job);
	if (before === news || (before?.startsWith(`${phase},`) && now - last < QUIET)) return;
	told.set(job, news);
	last = now;
	const { big, note, line } = stateWords(state, now);
	const words = phase === "done" ? ["Picture ready"] : quarter ? [`${25 * quarter} percent`] : [big, note, line];
	const textContent = `${record.request.input.slice(0, 80)}: ${words.filter(Boolean).join(". ")}`;
	const log = document.querySelector(":is([open], body) > [role=log]"); // the large view hides the other
	log.append(Object.assign(document.createElement("p"), { textContent }));
	if (log.children.length > 9) log.firstChild.remove();
}
