/** The wall: jobs and pictures, the newest first, so that a picture appears where its job was. */

import { byId } from "./dom.js";

const wall = byId("wall");

/** Hang an element by its `order`: when it was asked for, and which one of its job it is. */
export function hang(element) {
	const [at, index] = element.order;
	const next = [...wall.children].find(({ order }) => order[0] < at || (order[0] === at && order[1] > index));
	wall.insertBefore(element, next ?? null);
}

export function beside(element) {
	const pictures = [...wall.querySelectorAll(".item:not(.job)"), undefined]; // for one that was pushed out
	const at = pictures.indexOf(element);
	return { newer: pictures[at - 1]?.picture, older: pictures[at + 1]?.picture };
}
