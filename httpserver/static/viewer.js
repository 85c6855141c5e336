/** Viewer: one picture large, what is known of it, and what can be done with it. */

import { CODE } from "./code.js";
import { confirmed } from "./dialogs.js";
import { byId, onAct, partsOf, rest, write } from "./dom.js";
import { parametersOf, requestOf } from "./picture.js";

const dialog = byId("viewer");
const { image, facts, line, code } = partsOf(dialog);
const languages = [...dialog.querySelectorAll(".row button")];

/** A function that shows a picture, as `again` and `edit` take one. */
export function openViewer(gallery, { again, edit }) {
	let picture;
	let language = "curl";

	function show(chosen) {
		picture = chosen;
		const { request, told, seed } = picture;
		image.src = gallery.urlOf(picture);
		image.alt = request.input;
		byId("viewer-prompt").textContent = request.input; // said also where it is the same
		write(line, "");
		showFacts({
			"Not seen": request.negative_prompt,
			Size: `${told.width} × ${told.height}`,
			Seed: seed,
			Steps: told.steps,
			Guidance: request.cfg_scale,
			Sampler: told.sampler_name,
			Model: told.model,
			Server: told.backend,
			Painted: told.seconds && `in ${told.seconds.toFixed(1)} s`,
		});
		for (const [way, other] of Object.entries(gallery.beside(picture))) byId(way).ariaDisabled = !other;
		speak(language);
		if (!dialog.open) dialog.showModal();
	}

	const turn = (way) => show(gallery.beside(picture)[way] ?? picture);

	function speak(chosen) {
		language = chosen;
		for (const button of languages) button.ariaPressed = button.name === language;
		write(code, CODE[language](requestOf(picture)));
	}

	async function remove() {
		if (!(await confirmed("Remove this picture?", "It is kept nowhere but in this browser.", "Remove it"))) return;
		const { newer, older = newer } = gallery.beside(picture);
		await gallery.remove(picture);
		if (older) show(older);
		else close();
	}

	const close = () => dialog.close();
	const closeAnd = (act) => () => {
		dialog.addEventListener("close", () => act(picture), { once: true }); // after the focus has gone back
		close();
	};
	onAct(dialog, {
		close,
		remove,
		again: closeAnd(again),
		edit: closeAnd(edit),
		save: () => gallery.save(picture),
		"copy-picture": () => copy("The picture is", copyPicture(picture.blob)),
		"copy-parameters": () => copy("The parameters are", copyText(parametersOf(picture))),
		"copy-code": () => copy("The code is", copyText(code.textContent)),
	});
	for (const way of ["newer", "older"]) byId(way).onclick = () => turn(way);
	for (const button of languages) button.onclick = () => speak(button.name);
	dialog.onkeydown = ({ key, target }) => {
		const way = { ArrowLeft: "newer", ArrowRight: "older" }[key];
		if (way && !target.matches("pre")) turn(way);
	};
	dialog.onclose = () => rest(gallery.at(picture)?.querySelector("button"));
	return show;
}

function showFacts(known) {
	const rows = Object.entries(known).filter(([, value]) => value || value === 0);
	facts.replaceChildren(...rows.map((texts) => {
		const row = document.createElement("div");
		["dt", "dd"].forEach((tag, index) => row.appendChild(document.createElement(tag)).append(texts[index]));
		return row;
	}));
}

async function copy(what, copied) {
	const told = await copied.then(() => "in the clipboard.", () => "not copied: that works only on https.");
	write(line, `${what} ${told}`);
}

/** Clipboards take PNG: another format is drawn anew. */
async function copyPicture(blob) {
	const png = blob.type === "image/png" ? blob : redrawn(blob);
	await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}

async function redrawn(blob) {
	const bitmap = await createImageBitmap(blob);
	const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
	canvas.getContext("2d").drawImage(bitmap, 0, 0);
	return canvas.convertToBlob();
}

/** Plain http on a home network has no clipboard API, but the old way. */
async function copyText(text) {
	if (navigator.clipboard) return navigator.clipboard.writeText(text);
	const field = document.createElement("textarea");
	field.value = text;
	dialog.append(field);
	field.select();
	const isCopied = document.execCommand("copy");
	field.remove();
	if (!isCopied) throw new Error();
}
