/** Store: what this browser keeps in IndexedDB: jobs under way, and pictures. */

const TABLES = ["jobs", "pictures"];

/** Where the browser keeps nothing (some private windows) or has no room left, `put` fails. */
export async function openStore() {
	const database = await open().catch(() => null);
	return Object.fromEntries(TABLES.map((name) => [name, database ? table(database, name) : NOWHERE]));
}

const NOWHERE = { all: async () => [], put: () => Promise.reject(), drop: async () => {} };

function table(database, name) {
	const run = (mode, act) =>
		new Promise((resolve, reject) => {
			const transaction = database.transaction(name, mode);
			const request = act(transaction.objectStore(name));
			transaction.oncomplete = () => resolve(request.result);
			transaction.onabort = () => reject(transaction.error);
		});
	return {
		all: () => run("readonly", (table) => table.getAll()).catch(() => []),
		put: (value) => run("readwrite", (table) => table.put(value)),
		drop: (key) => run("readwrite", (table) => table.delete(key)),
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
