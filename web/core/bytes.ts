/** Bytes: text, hex and JSON to bytes and back. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
    return encoder.encode(text);
}

/** Encode a text so that two users who type the same letters have the same bytes. */
export function normalised(text: string): Bytes {
    return utf8(text.normalize("NFC"));
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
    const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
        whole.set(part, at);
        at += part.length;
    }
    return whole;
}

/** Compare, in a time that does not say where they differ. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
    return one.length === other.length && one.reduce((differing, byte, index) => differing | (byte ^ other[index]!), 0) === 0;
}

export function hex(bytes: Uint8Array): string {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns null if the text is not hex. */
export function parseHex(text: string): Bytes | null {
    if (text.length % 2 !== 0 || /[^0-9a-f]/iu.test(text)) return null;
    const bytes = new Uint8Array(text.length / 2);
    for (let index = 0; index < bytes.length; index++) {
        bytes[index] = Number.parseInt(text.slice(2 * index, 2 * index + 2), 16);
    }
    return bytes;
}

export type JsonObject = { readonly [key: string]: unknown };

/** @returns null if the value is not an object, or is an array. */
export function asObject(value: unknown): JsonObject | null {
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** @returns null if the bytes are not the JSON of an object. */
export function parseObject(json: Uint8Array | string): JsonObject | null {
    try {
        return asObject(JSON.parse(typeof json === "string" ? json : decoder.decode(json)));
    } catch {
        return null;
    }
}

export function encodeJson(value: JsonObject): Bytes {
    return utf8(JSON.stringify(value));
}
