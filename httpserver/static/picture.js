/** Pictures: base64 to a Blob, and what is told of one. Pure. */

const TYPES = { "/9j/": "image/jpeg", UklG: "image/webp" };

export function toBlob(base64) {
	const type = TYPES[base64.slice(0, 4)] ?? "image/png";
	let bytes = "";
	try {
		bytes = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (letter) => letter.charCodeAt());
	} catch {} // asked for again it is no better
	return new Blob([bytes], { type });
}

/** What the gallery keeps: the Blob, what was asked for, what the server told. */
export function pictureOf({ key, at, request }, { "image-base64": base64, index, ...told }) {
	return { key: `${key}/${index}`, at, index, request, told, blob: toBlob(base64), seed: told.seed ?? request.seed };
}

/** The request that paints this one picture again. */
export const requestOf = ({ request, seed }) => ({ ...request, seed: seed < 2 ** 32 ? seed : -1, batch_size: 1 });

export function fileName({ request, seed, blob }) {
	const words = request.input.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? ["picture"];
	return `${words.join("-").slice(0, 60)}-${seed}.${blob.type.slice(6).replace("jpeg", "jpg")}`;
}

/** A1111's text of all parameters; where the server tells none, what was asked for. */
export const parametersOf = (picture) => picture.told.infotext || JSON.stringify(requestOf(picture), null, 2);
