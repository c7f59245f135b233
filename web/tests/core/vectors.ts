/** What PyPI's `spake2` and the command-line client compute; made by tools/web_vectors.py. */
import { parseHex } from "../../core/bytes.ts";
import vectors from "./vectors.json";

export { vectors };

export function fromHex(text: string): Uint8Array {
    const bytes = parseHex(text);
    if (bytes === null) throw new Error(`${text} is not hex`);
    return bytes;
}

/** Random bytes that a test chooses: the same ones for every request, repeated or cut to its size. */
export function always(...bytes: readonly number[]): (size: number) => Uint8Array {
    return (size) => Uint8Array.from({ length: size }, (_, index) => bytes[index % bytes.length] ?? 0);
}
