/** The public HTTP wire, with the key; errors as Problems. Addresses are relative, for proxies. */

/** What the server refused (RFC 9457): code, message, retryAfter in seconds, field. */
export class Problem extends Error {
	constructor({ code = "internal", detail, message, retry_after: retryAfter, field }) {
		super(detail ?? message);
		Object.assign(this, { code, retryAfter, field });
	}
}

/** Without user, query and fragment. */
export const HERE = location.origin + location.pathname;
const KEY = "sd-b64 key" + location.pathname.slice(1);
let key = null; // where the browser stores nothing, it lives as long as the page
try {
	key = localStorage.getItem(KEY);
} catch {}

window.onstorage = (event) => event.key === KEY && (key = event.newValue);

export const hasKey = () => key !== null;

export function storeKey(given) {
	key = given;
	try {
		localStorage.setItem(KEY, key);
	} catch {}
}

/** The response, if it is a good one. Throws Problem; any other error means no answer. */
export async function ask(path, { headers, ...options } = {}) {
	const authorization = key && { Authorization: `Bearer ${unescape(encodeURIComponent(key))}` };
	const response = await fetch(new URL(path, HERE), { ...options, headers: { ...headers, ...authorization } });
	if (response.ok) return response;
	const isProblem = response.headers.get("Content-Type") === "application/problem+json";
	throw isProblem ? new Problem(await response.json()) : new Error("a proxy's own page");
}

/** Where a script was lost, all again by another address: browsers remember what failed. */
const load = (folder, ...others) =>
	folder && import(`${folder}/main.js`).catch(() => setTimeout(load, 32_000 / 2 ** others.length, ...others));
load(".", "../%73tatic", "../s%74atic", "../st%61tic", "../sta%74ic", "../stat%69c");
