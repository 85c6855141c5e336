/**
 * Lines: which jobs may hold a stream open. A browser opens six connections to a server for all its tabs: with
 * one for each job nothing else would get through. They share four, by locks. Plain http from
 * another machine has none: there a tab that is seen streams.
 */

const most = () => (navigator.locks ? 3 : document.hidden ? 0 : 2); // of one tab
const held = new Map(); // a job: what gives its line back
const isPainted = ({ state }) => state.phase === "painting";

/** Whether this job may stream; one that is painted takes that of a waiting one. */
export async function takeLine(job) {
	if (!most()) return;
	const isRoom = held.size < most();
	if (isRoom) held.set(job); // at once: another may ask meanwhile
	const line = (isRoom && (await freeLine())) || (isPainted(job) && lineOfWaiting());
	if (line) held.set(job, line);
	else held.delete(job);
	return line;
}

document.addEventListener("visibilitychange", () => {
	if (!most()) for (const [job] of held) job.wake();
});

export function leaveLine(job) {
	held.get(job)?.();
	held.delete(job);
}

async function freeLine() {
	for (const line of [1, 2, 3, 4]) {
		const leave = await new Promise((resolve) => {
			const take = (lock) => (lock ? new Promise(resolve) : resolve());
			const ask = async () => navigator.locks.request(`sd-b64 ${line}`, { ifAvailable: true }, take);
			ask().catch(() => resolve(() => {}));
		});
		if (leave) return leave;
	}
}

function lineOfWaiting() {
	const [other, line] = [...held].find(([job, line]) => line && !isPainted(job)) ?? [];
	held.delete(other);
	other?.wake();
	return line;
}
