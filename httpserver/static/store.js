/** Store: what this browser keeps in IndexedDB: jobs under way, and pictures. */

const TABLES = ["jobs", "pictures"];

/** Where the browser allows none (some private windows), what is kept lasts as long as the page. */
export async function openStore() {
	const database = await open().catch(() => null);
	const table = (name) => [name, database ? lasting(database, name) : passing()];
	return { isLasting: Boolean(database), ...Object.fromEntries(TABLES.map(table)) };
}

function passing(map = new Map()) {
	return {
		all: async () => [...map.values()],
		put: async (value) => map.set(value.key, value),
		drop: async (key) => map.delete(key),
		clear: async () => map.clear(),
	};
}

function lasting(database, name) {
	const run = (mode, act) =>
		new Promise((resolve, reject) => {
			const transaction = database.transaction(name, mode);
			const request = act(transaction.objectStore(name));
			transaction.oncomplete = () => resolve(request.result);
			transaction.onabort = () => reject(transaction.error);
		});
	return {
		all: () => run("readonly", (table) => table.getAll()),
		put: (value) => run("readwrite", (table) => table.put(value)),
		drop: (key) => run("readwrite", (table) => table.delete(key)),
		clear: () => run("readwrite", (table) => table.clear()),
	};
}

async function open() {
	const request = indexedDB.open("sd-b64", 1);
	request.onupgradeneeded = () => TABLES.forEach((name) => request.result.createObjectStore(name, { keyPath: "key" }));
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
}
