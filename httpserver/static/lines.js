/**
 * Lines: which jobs may hold a stream open. A browser opens six connections to a server, for all tabs together:
 * were each job to hold one, nothing else would get through. So all tabs share these, by locks.
 */

const LINES = [1, 2, 3, 4];
const MOST = navigator.locks ? 3 : 2; // of one tab; plain http from another machine has no locks
const held = new Map(); // a job: what gives its line back
const isPainted = ({ state }) => state.phase === "painting";

/** Whether this job may stream; one that is painted takes the line of one that still waits. */
export async function takeLine(job) {
	const isRoom = held.size < MOST;
	if (isRoom) held.set(job); // at once: another may ask meanwhile
	const line = (isRoom && (await freeLine())) || (isPainted(job) && lineOfWaiting());
	if (line) held.set(job, line);
	else held.delete(job);
	return line;
}

export function leaveLine(job) {
	held.get(job)?.();
	held.delete(job);
}

async function freeLine() {
	for (const line of LINES) {
		const leave = await new Promise((resolve) => {
			const take = (lock) => (lock ? new Promise(resolve) : resolve());
			const asked = navigator.locks?.request(`sd-b64 ${line}`, { ifAvailable: true }, take);
			(asked ?? Promise.reject()).catch(() => resolve(() => {}));
		});
		if (leave) return leave;
	}
}

function lineOfWaiting() {
	const [other, line] = [...held].find(([job, line]) => line && !isPainted(job)) ?? [];
	held.delete(other);
	other?.interrupt();
	return line;
}
