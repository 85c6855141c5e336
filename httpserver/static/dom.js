/** The page's elements. Text goes in as text, never as HTML. */

export const byId = (id) => document.getElementById(id);

/** A copy of a template's element as `root`, and its parts by class. */
export function build(template) {
	const root = byId(template).content.firstElementChild.cloneNode(true);
	return { root, ...partsOf(root) };
}

export const partsOf = (root) => Object.fromEntries([...root.querySelectorAll("[class]")].map((part) => [part.className, part]));

/** Give the keyboard to an element, or to the heading, which no key presses. */
export const rest = (element, options) => (element ?? document.querySelector("h1")).focus(options);

/** Take an element away; if it had the keyboard, the next has it. */
export function discard(element, next = element.nextElementSibling ?? element.previousElementSibling) {
	if (element.contains(document.activeElement)) rest(next, { preventScroll: true });
	element.remove();
}

/** Call `acts[name](what)` for the button that is pressed; a double click is one. */
export function onAct(root, acts, what) {
	root.onclick = ({ target, detail }) => detail !== 2 && acts[target.closest("button")?.name]?.(what);
}

/** Write only what changed: a screen reader has nothing to do, a translation stays. */
export function write(element, text) {
	if (element.told !== text) element.textContent = element.told = text;
}
