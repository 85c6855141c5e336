/**
 * Job: one request's life, from asking to its pictures. It is written down with its Idempotency-Key before it is
 * sent: whatever breaks (network, page, server), it is attached to by its id, and a server that forgot it is
 * asked again, with the same key and seed.
 */

import { leaveLine, takeLine } from "./lines.js";
import { pictureOf, toBlob } from "./picture.js";
import { readEvents } from "./sse.js";
import { ask, Problem } from "./wire.js";

const SILENCE = 45_000; // milliseconds: three heartbeats
const LOOK = 2_000; // between two looks without a line
const LONGEST_PAUSE = 15_000;
const PASSES = ["shutting_down", "queue_unavailable"]; // as LOCAL_ENDS
const DAY = 86_400_000; // what is older is not asked again
const ANEW = { expired: 1, not_found: 9 }; // at most: results may always go too soon

export class Job {
	#with;
	#attempt;
	#silence;
	#wake;
	#failures = 0;
	#pictures;

	/** `jobs` keeps the record, `now()` is its order; `changed(job)` tells each change, `finished(job, pictures)` the end. */
	constructor(record, given) {
		this.#with = given;
		this.record = record;
		const { problem, insist, cancelled } = record;
		this.state = problem && !insist ? { phase: "failed", problem } : { phase: cancelled ? "cancelling" : "sending" };
	}

	get isOver() {
		return /done|failed|cancelled/.test(this.state.phase);
	}

	/** Go on until it has ended. */
	async run() {
		while (!this.isOver) {
			this.#attempt = new AbortController();
			try {
				await this.#follow();
			} catch (error) {
				await this.#stumble(error);
			} finally {
				clearTimeout(this.#silence);
			}
		}
	}

	/** Try now what is under way, or would be tried later. */
	wake() {
		this.#attempt?.abort();
		this.#wake?.();
	}

	retry() {
		if (!this.isOver) return this.wake();
		Object.assign(this.record, { at: this.#with.now(), problem: null });
		this.#set({ phase: "sending" });
		return this.run();
	}

	/** Count down and try again, as often as it takes. */
	async insist() {
		Object.assign(this.record, { insist: true, at: this.#with.now() });
		await this.#countDown(this.state.problem);
		await this.run();
	}

	relent() {
		this.record.insist = false;
		this.#fail(this.state.problem);
		this.wake();
	}

	cancel() {
		this.record.cancelled = true;
		this.#save();
		this.#set({ phase: "cancelling" });
		this.wake();
	}

	/** Nobody wants it any more; a cancel is carried out first. */
	forget() {
		if (this.isOver) this.#with.jobs.drop(this.record.key);
	}

	async #follow() {
		const { record } = this;
		const path = `jobs/${record.id}`;
		if (record.id && record.cancelled) {
			const words = await (await this.#ask(path, { method: "DELETE" })).json();
			record.cancelled = words.state !== "completed"; // too late: the picture is shown
			await this.#hear(words.type === "error" ? { type: "cancelled" } : words);
		} else if (await takeLine(this)) {
			await this.#stream(`${path}?preview=true`).finally(() => leaveLine(this));
		} else {
			await this.#stream(path, { Prefer: "wait=0" });
			if (!this.isOver) await this.#pause(LOOK);
		}
	}

	/** Hear what comes; who looks hears the last word, or the pictures. */
	async #stream(path, look) {
		const headers = { Accept: "text/event-stream", ...look };
		const response = await this.#ask(path, { headers, priority: look && "low" }); // or all else waits behind
		this.#pictures = [];
		for await (const data of readEvents(response.body, () => this.#alive())) {
			this.#failures = 0;
			await this.#hear(JSON.parse(data));
			if (this.isOver || this.record.cancelled) return;
		}
		if (!look) throw new Error("the stream broke off");
	}

	async #hear(words) {
		const { type, position, step, steps, progress: fraction = 0, "preview-base64": preview } = words;
		if (words.id && words.id !== this.record.id) {
			Object.assign(this.record, { id: words.id, problem: null, insist: false });
			await this.#save();
		}
		const until = words.eta == null ? 0 : Date.now() + 1000 * words.eta;
		if (type === "error") throw new Problem(words);
		if (type === "queued") this.#show({ phase: "waiting", position, until });
		if (/started|progress/.test(type)) {
			const seen = preview ? toBlob(preview) : this.state.preview;
			this.#show({ phase: "painting", fraction, step, steps, until, preview: seen });
		}
		if (type === "image") {
			this.#pictures.push(pictureOf(this.record, words));
			if (this.#pictures.length === words.count) await this.#end("done", this.#pictures);
		}
		if (type === "cancelled") await this.#end("cancelled");
	}

	async #end(phase, pictures) {
		if (pictures) await this.#with.finished(this, pictures);
		this.#set({ phase });
		this.forget();
	}

	async #stumble(error) {
		const { record } = this;
		const { code } = error;
		if (error.name === "AbortError") return;
		const kept = ANEW[code] && !record.isPassing && (await this.#with.jobs.all());
		if (kept && !kept.some(({ key }) => key === record.key)) return this.#end("done", []); // in another tab
		const isLocked = code === "unauthorized";
		if (!(error instanceof Problem) || (isLocked && record.id && record.cancelled)) return this.#away();
		if (isLocked && !record.cancelled) {
			this.#set({ phase: "locked" });
			await this.#pause(LONGEST_PAUSE);
		} else if (record.cancelled && ![...PASSES, "forbidden"].includes(code)) {
			await this.#end("cancelled");
		} else {
			record.anew ??= 0;
			const isForgotten = record.anew < ANEW[code] && record.id && Date.now() - record.at < DAY;
			if (!isForgotten && !PASSES.includes(code)) return this.#fail(error);
			if (!record.cancelled) record.id = null;
			if (isForgotten) record.anew++;
			if (!isForgotten || this.#failures++) await this.#away();
		}
	}

	/** No answer: again after a pause that doubles each time. */
	#away() {
		const pause = Math.min(LONGEST_PAUSE, 500 * 2 ** this.#failures++) * (0.75 + Math.random() / 2);
		this.#show({ phase: "away", offline: !navigator.onLine, again: Date.now() + pause });
		return this.#pause(pause);
	}

	#fail(error) {
		const problem = { ...error, message: error.message };
		Object.assign(this.record, { id: null, problem });
		if (this.record.insist &&= problem.retryAfter) return this.#countDown(problem);
		this.#save();
		this.#set({ phase: "failed", problem });
	}

	async #countDown(problem) {
		const wait = 1000 * problem.retryAfter;
		this.#save();
		this.#set({ phase: "retrying", problem, again: Date.now() + wait });
		await this.#pause(wait);
		if (!this.isOver) this.#set({ phase: "sending" });
	}

	/** A state that a cancel, once asked for, hides. */
	#show(state) {
		if (!this.record.cancelled) this.#set(state);
	}

	#set(state) {
		this.state = state;
		this.#with.changed(this);
	}

	#save() {
		return this.#with.jobs.put(this.record);
	}

	/** Ask about the job; or for it, where it has no id. */
	async #ask(path, options) {
		const { id, key, request } = this.record;
		if (!id) {
			await this.#save();
			const headers = { ...options.headers, "Content-Type": "application/json", "Idempotency-Key": key };
			[path, options] = ["text", { method: "POST", headers, body: JSON.stringify({ ...request, preview: true }) }];
		}
		this.#alive();
		return ask(path, { ...options, signal: this.#attempt.signal });
	}

	#alive() {
		clearTimeout(this.#silence);
		this.#silence = setTimeout(() => this.#attempt.abort(new Error("silence")), SILENCE);
	}

	#pause(milliseconds) {
		return new Promise((resolve) => {
			this.#wake = resolve;
			setTimeout(resolve, milliseconds);
		});
	}
}
