/** Gallery: this browser's pictures, on the wall with the jobs' cards, the newest first. */

import { confirmed } from "./dialogs.js";
import { build, byId, discard, onAct, rest, write } from "./dom.js";
import { fileName } from "./picture.js";
import { plural } from "./words.js";

const MOST = 200;
const MOST_BYTES = 256e6;
const wall = byId("wall");

/** Hang an element by its `order`: when it was asked for, a bit less for each further picture. */
export function hang(element) {
	wall.insertBefore(element, [...wall.children].find(({ order }) => order < element.order) ?? null);
}

/** Now, or after all that hangs: clocks are set back. */
export const now = () => Math.max(Date.now(), 1 + (wall.firstChild?.order ?? 0));

/** `acts` are open, again and edit, each called with a picture. */
export function openGallery({ pictures: kept }, acts) {
	const shown = new Map();
	const pictures = () => [...shown.values()].map(({ picture }) => picture);
	const size = () => pictures().reduce((sum, { blob }) => sum + blob.size, 0);

	/** Hang these, or all that is kept. What is not kept lasts as long as the page. */
	async function add(found) {
		if (!found[0]) (await kept.all()).forEach((picture) => at(picture) || show(picture));
		for (const picture of found) {
			await kept.put(picture);
			show(picture);
		}
		while (shown.size > MOST || size() > MOST_BYTES) await remove(beside({}).newer);
		tell();
	}

	async function remove({ key }) {
		await kept.drop(key);
		takeDown(key);
		tell();
	}

	function save(picture) {
		Object.assign(document.createElement("a"), { href: urlOf(picture), download: fileName(picture) }).click();
	}

	/** The picture's neighbours; the last picture is newer than one that is not there. */
	function beside(picture) {
		const hung = [...wall.querySelectorAll(".item:not(.job)"), undefined];
		const index = hung.indexOf(at(picture));
		return { newer: hung[index - 1]?.picture, older: hung[index + 1]?.picture };
	}

	const at = ({ key }) => shown.get(key);
	const urlOf = (picture) => at(picture)?.url ?? URL.createObjectURL(picture.blob); // or pushed out

	function show(picture) {
		takeDown(picture.key);
		const { request, told, seed, blob } = picture;
		const { root, image, prompt, line } = build("picture");
		Object.assign(root, { picture, url: URL.createObjectURL(blob), order: picture.at - picture.index / 1000 });
		image.src = root.url;
		image.alt = request.input;
		write(prompt, request.input);
		write(line, `${told.width} × ${told.height} · seed ${seed}`);
		onAct(root, { ...acts, save }, picture);
		shown.set(picture.key, root);
		hang(root);
	}

	function takeDown(key) {
		const root = shown.get(key);
		if (!root) return;
		URL.revokeObjectURL(root.url);
		discard(root);
		shown.delete(key);
	}

	async function clear() {
		await add([]);
		const all = pictures();
		const text = `${plural(all.length, "picture")}, kept nowhere else, will be gone.`;
		if (!(await confirmed("Clear the gallery?", text, "Clear it"))) return;
		for (const picture of all) await remove(picture);
		rest();
	}

	function tell() {
		const text = `${plural(shown.size, "picture")}, ${(size() / 1e6).toFixed(1)} MB, in this browser only. The latest ${MOST} stay.`;
		const passing = pictures().filter(({ isPassing }) => isPassing).length;
		const lost = passing ? ` It keeps ${passing} of them only until you close this page.` : "";
		write(byId("kept"), text + lost);
		byId("clear").parentNode.hidden = !shown.size;
	}

	byId("clear").onclick = clear;
	return { add, remove, save, at, urlOf, beside };
}
