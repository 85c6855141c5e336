/** Store: jobs under way and pictures, in this browser's IndexedDB; each path of an origin has its own. */

let opened;

/** What the browser does not keep (some private windows; no room left) becomes `isPassing`. */
export const store = { jobs: table("jobs"), pictures: table("pictures") };

function table(name) {
	const begin = async (mode) => (await (opened ??= open())).transaction(name, mode).objectStore(name);
	const run = async (mode, act) => {
		// Browsers close it as they like: a phone's, while another app is in front.
		const request = act(await begin(mode).catch(() => begin(mode, (opened = null))));
		return new Promise((resolve, reject) => {
			Object.assign(request.transaction, { oncomplete: () => resolve(request.result), onabort: reject });
		});
	};
	return {
		all: () => run("readonly", (table) => table.getAll()).catch(() => []),
		put: (value) => run("readwrite", (table) => table.put(value)).catch(() => (value.isPassing = true)),
		drop: (key) => run("readwrite", (table) => table.delete(key)).catch(() => {}),
	};
}

const open = () =>
	new Promise((resolve, reject) => {
		const request = indexedDB.open("sd-b64" + location.pathname.slice(1), 1);
		request.onupgradeneeded = () => Object.keys(store).forEach((name) => request.result.createObjectStore(name, { keyPath: "key" }));
		request.onsuccess = () => resolve(Object.assign(request.result, { onversionchange: request.result.close }));
		request.onerror = reject;
	});
