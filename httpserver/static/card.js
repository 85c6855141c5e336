/** Card: a job on the wall, how it is, and what can be done. */

import { build, discard, onAct, write } from "./dom.js";
import { stateWords } from "./words.js";

const OFFERED = {
	away: ["retry", "cancel"],
	locked: ["unlock", "cancel"],
	cancelling: ["remove"],
	cancelled: ["edit", "remove"],
	retrying: ["retry", "relent"],
};
const USELESS_AGAIN = ["invalid_request", "unknown_model", "forbidden"];

/** The card's element and its `show()` and `close()`. `acts` are edit, remove and unlock. */
export function buildCard(job, acts) {
	const { root, preview, big, note, gauge, prompt, line, tools } = build("card");
	const { record } = job;
	let seen;

	function show() {
		const { state } = job;
		const words = stateWords(state, Date.now());
		write(big, words.big);
		write(note, words.note);
		write(line, words.line);
		gauge.hidden = state.phase !== "painting";
		gauge.value = state.fraction ?? 0;
		showPreview(state.preview);
		if (root.dataset.phase !== state.phase) offer(state);
		root.dataset.phase = state.phase;
	}

	/** This state's buttons. The keyboard stays in the card, on no new button: some press twice. */
	function offer({ phase, problem }) {
		const again = problem && !USELESS_AGAIN.includes(problem.code) ? [problem.retryAfter ? "insist" : "retry"] : [];
		const names = phase === "failed" ? [...again, "edit", "remove"] : OFFERED[phase] ?? ["cancel"];
		const focused = tools.querySelector(":focus");
		for (const button of tools.children) button.hidden = !names.includes(button.name);
		if (focused?.hidden) root.focus();
	}

	function showPreview(blob) {
		if (blob === seen) return;
		URL.revokeObjectURL(preview.src);
		seen = blob;
		preview.hidden = !blob;
		if (blob) preview.src = URL.createObjectURL(blob);
	}

	function close(next) {
		showPreview();
		discard(root, next);
	}

	root.order = record.at;
	write(prompt, record.request.input);
	gauge.ariaLabel = `Progress of “${record.request.input}”`;
	for (const act of ["cancel", "retry", "insist", "relent"]) acts[act] = () => job[act]();
	onAct(root, acts);
	return { root, show, close };
}
