/** The page: the form asks, jobs run, the wall shows. All is joined here. */

import { buildCard } from "./card.js";
import { askKey } from "./dialogs.js";
import { byId } from "./dom.js";
import * as form from "./form.js";
import { hang, now, openGallery } from "./gallery.js";
import { Job } from "./job.js";
import { requestOf } from "./picture.js";
import { follow, look } from "./service.js";
import { store } from "./store.js";
import { openViewer } from "./viewer.js";
import { tell } from "./voice.js";
import { titleWords } from "./words.js";

const TITLE = document.title;
const cards = new Map(); // a job: its card
const edit = (picture) => form.fill(requestOf(picture));
const again = ({ request: { seed, ...request } }) => paint(request);
const opening = (async () => {
	const gallery = openGallery(store, { open: (picture) => open(picture), again, edit });
	const open = openViewer(gallery, { again, edit });
	const records = await store.jobs.all(); // first: a job may become a picture meanwhile
	await gallery.add([]);
	for (const record of records) start(record);
	byId("empty").hidden = false; // where nothing hangs
	return gallery;
})();

/** A new job. Chance is chosen here: painted anew it is the same picture. */
async function paint({ seed = -1, ...request }) {
	const [chance, ...key] = crypto.getRandomValues(new Uint32Array(5));
	await opening;
	const record = { key: key.join("-"), at: now(), request: { ...request, seed: seed < 0 ? chance : seed } };
	store.jobs.put(record);
	start(record).scrollIntoView({ block: "nearest" });
}

function start(record) {
	const job = new Job(record, { jobs: store.jobs, now, changed: show, finished });
	const remove = () => {
		job.forget();
		card.close();
		cards.delete(job);
		retitle();
	};
	const change = () => {
		remove();
		form.fill(record.request, job.state.problem?.field);
	};
	const card = buildCard(job, { edit: change, remove, unlock });
	cards.set(job, card);
	hang(card.root);
	show(job);
	job.run();
	return card.root;
}

function show(job) {
	cards.get(job)?.show();
	tell(job, Date.now());
	retitle();
}

/** The pictures take the card's place, and the keyboard if it was there. */
async function finished(job, pictures) {
	const gallery = await opening;
	await gallery.add(pictures);
	cards.get(job)?.close(gallery.at(pictures[0] ?? {})?.querySelector("button"));
	cards.delete(job);
}

function retitle() {
	const jobs = [...cards.keys()];
	document.title = titleWords(jobs, TITLE);
	follow(jobs, lookNow);
}

async function unlock() {
	if (!(await askKey())) return;
	wake("locked", "cancelling");
	lookNow(true);
}

function wake(...phases) {
	for (const job of cards.keys()) if (phases.includes(job.state.phase)) job.wake();
}

function lookNow(isNews) {
	look(form.offer, (state) => (state === "locked" ? unlock() : wake("away", "locked")), isNews);
}

form.begin(paint);
byId("unlock").onclick = unlock;
window.ononline = window.onoffline = () => {
	lookNow();
	for (const job of cards.keys()) job.wake();
};
document.onvisibilitychange = () => lookNow();
/** A key that is held down presses once. */
document.onkeydown = ({ repeat, key, target }) => !repeat || key !== "Enter" || target.type === "textarea";
setInterval(() => [...cards.keys()].forEach(show), 1000);
lookNow();
