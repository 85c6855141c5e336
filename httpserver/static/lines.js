/**
 * Lines: which jobs may hold a stream open. A browser opens six connections to a server, for all tabs together:
 * were each job to hold one, no cancel and no further prompt would get through.
 */

const MOST = 3;
const held = new Set();
const isPainted = ({ state }) => state.phase === "painting";

/** Whether this job may stream; one that is painted takes the line of one that still waits. */
export function takeLine(job) {
	if (held.size >= MOST) {
		const waiting = isPainted(job) && [...held].find((other) => !isPainted(other));
		if (!waiting) return false;
		held.delete(waiting);
		waiting.interrupt();
	}
	held.add(job);
	return true;
}

export const leaveLine = (job) => held.delete(job);
