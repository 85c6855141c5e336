/** The wall: jobs and pictures, the newest first, so that a picture appears where its job was. */

import { byId } from "./dom.js";

const wall = byId("wall");

/** Hang an element by its `order`: when it was asked for, a bit less for each further picture of one job. */
export function hang(element) {
	const next = [...wall.children].find(({ order }) => order < element.order);
	wall.insertBefore(element, next ?? null);
}

export function beside(element) {
	const pictures = [...wall.querySelectorAll(".item:not(.job)"), undefined]; // for one that was pushed out
	const at = pictures.indexOf(element);
	return { newer: pictures[at - 1]?.picture, older: pictures[at + 1]?.picture };
}
