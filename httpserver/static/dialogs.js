/** Small questions: a confirmation, and the key. */

import { byId, write } from "./dom.js";
import { hasKey, storeKey } from "./wire.js";

export function confirmed(title, text, yes) {
	write(byId("asking-title"), title);
	write(byId("asking-text"), text);
	write(byId("asking-yes"), yes);
	return answer(byId("asking"));
}

/** Ask for the API key and keep it; false if none was given. */
export async function askKey() {
	if (byId("lock").open) return false;
	const text = hasKey() ? "The key that was used is not the right one." : "It was set as API_KEY by whoever runs it.";
	write(byId("lock-text"), `${text} It is kept in this browser, and sent to this server only.`);
	const isGiven = await answer(byId("lock"));
	if (isGiven) storeKey(byId("key").value);
	byId("key").value = "";
	return isGiven;
}

function answer(dialog) {
	dialog.returnValue = "";
	dialog.showModal();
	return new Promise((resolve) => (dialog.onclose = () => resolve(dialog.returnValue === "yes")));
}
