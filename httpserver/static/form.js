/** Form: what is asked for, remembered in this browser, and kept within what the server offers. */

import { byId, rest, write } from "./dom.js";

const REMEMBERED = "sd-b64 form" + location.pathname.slice(1);
const TEXTS = ["input", "negative_prompt", "sampler_name", "model"];
const form = byId("composer");
const options = byId("options");
const shapes = [...byId("shapes").children];
const { input, width, height, steps, cfg_scale: guidance, sampler_name: sampler, seed, batch_size: count, model } = form.elements;
let limits = { pixels: Infinity };

export function begin(paint) {
	byId("shapes").hidden = byId("defaults").hidden = false;
	for (const button of shapes) button.onclick = () => reshape(button.name);
	byId("defaults").onclick = () => fill({ input: input.value });
	input.onkeydown = (event) => {
		if (event.keyCode !== 13 || event.shiftKey) return; // 229: composing
		event.preventDefault();
		if (!event.repeat) form.requestSubmit();
	};
	for (const idea of byId("ideas").children) idea.onclick = () => paint({ ...chosen(), input: idea.textContent }).then(rest);
	form.oninput = tell;
	form.addEventListener("invalid", ({ target }) => (options.open ||= options.contains(target)), true);
	options.ontoggle = remember;
	form.onsubmit = (event) => {
		event.preventDefault();
		if (matchMedia("(pointer: coarse)").matches) input.blur(); // its keyboard hides what comes
		paint(chosen());
	};
	recall();
	tell();
	if (matchMedia("(pointer: fine)").matches && !document.querySelector(":focus, :target")) input.focus({ preventScroll: true });
}

function chosen() {
	const given = [...new FormData(form)].filter(([, value]) => value !== "");
	return Object.fromEntries(given.map(([name, value]) => [name, TEXTS.includes(name) ? value : Number(value)]));
}

/** Take over the server's models, samplers and limits. */
export function offer(catalog) {
	limits = catalog.limits;
	choose(model, catalog.models);
	choose(sampler, catalog.samplers);
	choose(count, [...Array(limits.batch_size + 1).keys()].slice(1), 0);
	steps.max = limits.steps;
	width.defaultValue = height.defaultValue = Math.min(512, fit(Math.sqrt(limits.pixels)));
	tell();
}

/** Show a request, to change it and paint again. `field` is looked at first. */
export function fill(request, field = "input") {
	form.reset();
	for (const [name, value] of Object.entries(request)) set(name, value);
	tell();
	const first = form.elements[field] ?? input;
	options.open ||= options.contains(first);
	first.focus();
}

function reshape(shape) {
	const most = Math.sqrt(limits.pixels / (shape === "square" ? 1 : 1.5));
	const short = Math.max(width.min, fit(Math.min(Math.min(width.value, height.value) || 512, most)));
	const long = fit(Math.min(short * 1.5, limits.pixels / short));
	width.value = shape === "landscape" ? long : short;
	height.value = shape === "portrait" ? long : short;
	tell();
}

const fit = (side) => Math.floor(side / width.step) * width.step;

/** Say what is chosen, mark what cannot be painted, and remember it. */
function tell() {
	const { pixels, prompt } = limits;
	const shape = Math.sign(width.value - height.value);
	shapes.forEach((button, index) => (button.ariaPressed = shape === [0, -1, 1][index]));
	for (const range of [steps, guidance]) write(range.labels[0].querySelector("small"), range.value);
	const { length } = [...input.value];
	const isLong = length > prompt && `${length} characters; at most ${prompt} are read.`;
	input.setCustomValidity(isLong || (input.value.trim() ? "" : "Write what should be painted."));
	const isLarge = width.value * height.value > pixels;
	width.setCustomValidity(isLarge ? `Too large: width × height is at most ${pixels} pixels.` : "");
	const fixed = seed.valueAsNumber >= 0 && `seed ${seed.value}`;
	const chosen = [`${width.value} × ${height.value}`, `${steps.value} steps`, fixed, sampler.value, model.value];
	write(byId("chosen"), chosen.filter(Boolean).join(" · "));
	remember();
}

function remember() {
	try {
		localStorage.setItem(REMEMBERED, JSON.stringify({ values: Object.fromEntries(new FormData(form)), open: options.open }));
	} catch {}
}

/** But not over what was chosen before the scripts came; what is as usual follows the limits. */
function recall() {
	try {
		const { values, open } = JSON.parse(localStorage.getItem(REMEMBERED));
		options.open ||= open;
		steps.max = Math.max(steps.max, values.steps);
		for (const [name, value] of Object.entries(values)) if (isOther(form.elements[name], value)) set(name, value);
	} catch {}
}

const isOther = ({ value, defaultValue, options }, kept) => value !== kept && value === (options?.[0].value ?? defaultValue);

/** A remembered model is unknown until the catalog comes. */
function set(name, value) {
	const field = form.elements[name];
	field.value = value;
	if (field.options && field.value !== `${value}`) field.append(new Option(value, value, false, true));
}

/** Offer these names behind the first `kept` options. */
function choose(select, names, kept = 1) {
	const { value } = select;
	if (!names.length || select.names === names.join()) return; // it may be open just now
	select.names = names.join();
	select.replaceChildren(...[...select.options].slice(0, kept), ...names.map((name) => new Option(name, name)));
	select.value = value;
	if (select.selectedIndex < 0) kept ? set(select.name, value) : (select.selectedIndex = 0);
}
