/** Store: jobs under way and pictures, kept in this browser's IndexedDB. */

let opened;

/** Where the browser keeps nothing (some private windows) or has no room left, `put` fails. */
export const store = { jobs: table("jobs"), pictures: table("pictures") };

function table(name) {
	const begin = async (mode) => (await (opened ??= open())).transaction(name, mode).objectStore(name);
	const run = async (mode, act) => {
		// Browsers close it as they like: a phone's, while another app is in front.
		const request = act(await begin(mode).catch(() => begin(mode, (opened = null))));
		const { transaction } = request;
		return new Promise((resolve, reject) => {
			transaction.oncomplete = () => resolve(request.result);
			transaction.onabort = () => reject(transaction.error);
		});
	};
	return {
		all: () => run("readonly", (table) => table.getAll()).catch(() => []),
		put: (value) => run("readwrite", (table) => table.put(value)),
		drop: (key) => run("readwrite", (table) => table.delete(key)),
	};
}

const open = () =>
	new Promise((resolve, reject) => {
		const request = indexedDB.open("sd-b64", 1);
		request.onupgradeneeded = () => Object.keys(store).forEach((name) => request.result.createObjectStore(name, { keyPath: "key" }));
		request.onsuccess = () => resolve(request.result);
		request.onerror = reject;
	});
