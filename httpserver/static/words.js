/** Words for people: durations, a job's state, what went wrong and what to do. Pure. */

const GONE = ["The server no longer has this picture", "Try again: it is painted anew."];
const PROBLEMS = {
	invalid_request: ["The server cannot paint this", "Change it and paint again."],
	forbidden: ["The server does not allow this", "Whoever runs it may have an answer."],
	not_found: GONE,
	expired: GONE,
	unknown_model: ["No server has this model now", "Choose another one."],
	too_many_jobs: ["Too many of your pictures wait", "Let some be finished, or cancel some."],
	internal: ["The server made a mistake", "Its log says more. Try again."],
	backend_error: ["The painting server failed", "Try again; a smaller size may help."],
	queue_full: ["The queue is full", "Keep trying, and yours goes in as soon as there is room."],
	no_backend: ["No painting server is up", "Start one, or keep trying until one is there."],
	timeout: ["This picture took too long", "Fewer steps or a smaller size help."],
};

function duration(seconds) {
	if (seconds < 1) return "any moment";
	if (seconds < 60) return `about ${Math.ceil(seconds)} s`;
	return `about ${Math.round(seconds / 60)} min`;
}

export const plural = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

/** A job's state: in the frame, large and small, and in the line below. `now` in milliseconds. */
export function stateWords(state, now) {
	const { phase, position, step, problem } = state;
	const [title, advice] = PROBLEMS[problem?.code] ?? ["This cannot be painted now", "Try again in a moment."];
	const again = `${Math.max(0, Math.ceil((state.again - now) / 1000))} s`;
	const left = state.until && duration((state.until - now) / 1000);
	const join = (...words) => words.filter(Boolean).join(" · ");
	const kept = "Your request is kept here and goes on by itself.";
	const [big = "", note, line = ""] = {
		sending: ["", "Sending"],
		waiting: [position || "Next", position && "ahead of yours", join("Waiting", left)],
		painting: ["", state.preview ? "" : "Painting", join(state.preview && "Painting", step && `step ${step} of ${state.steps}`, left)],
		away: state.offline ? ["Offline", kept, "Waiting for the network"] : ["No answer", kept, `Asked again in ${again}`],
		locked: ["Locked", "The server wants a key.", "Waiting for the key"],
		cancelling: ["", "Cancelling"],
		cancelled: ["Cancelled"],
		retrying: [title, `Trying again in ${again}.`, "Keeps trying"],
		failed: [title, advice, problem?.message],
	}[phase] ?? [];
	return { big, note: note || "", line };
}

/** The window's title: how far the painted one is, or who waits. */
export function titleWords(jobs, base) {
	const busy = jobs.filter(({ isOver }) => !isOver);
	if (!busy.length) return base;
	const { state, record } = busy.find(({ state }) => state.phase === "painting") ?? busy[0];
	const what = busy.length > 1 ? plural(busy.length, "picture") : record.request.input.slice(0, 60);
	if (state.phase === "painting") return `${Math.round(100 * state.fraction)} % · ${what}`;
	return `${state.position ? `${state.position} ahead` : "Waiting"} · ${what}`;
}
