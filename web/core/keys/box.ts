/** NaCl's SecretBox: a nonce, then a proof that nothing was changed, then the ciphertext. */
import { xsalsa20 } from "@noble/ciphers/salsa.js";
import { type Bytes, equal } from "../bytes.ts";
import type { RandomBytes } from "../codes/code.ts";
import { poly1305 } from "./poly1305.ts";

export const NONCE_SIZE = 24;
const TAG_SIZE = 16;
export const BOX_OVERHEAD = NONCE_SIZE + TAG_SIZE; // bytes that a box is longer than its plaintext
const AUTHENTICATION_KEY = 32; // bytes of the key stream, before those for the plaintext

/** Make a box with a random nonce. */
export function sealBox(key: Uint8Array, plaintext: Uint8Array, random: RandomBytes): Bytes {
    const box = new Uint8Array(BOX_OVERHEAD + plaintext.length);
    fillBox(box, key, random(NONCE_SIZE), plaintext);
    return box;
}

/** Make a box where it belongs. @param box that many bytes, all zero, which begin at a whole word. */
export function fillBox(box: Bytes, key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): void {
    box.set(plaintext, BOX_OVERHEAD);
    const stream = box.subarray(BOX_OVERHEAD - AUTHENTICATION_KEY);
    xsalsa20(key, nonce, stream, stream);
    const tag = poly1305(stream.subarray(AUTHENTICATION_KEY), stream.slice(0, AUTHENTICATION_KEY));
    box.set(nonce);
    box.set(tag, NONCE_SIZE);
}

/** @returns null if it was made with another key, or changed on its way. */
export function openBox(key: Uint8Array, box: Uint8Array): Bytes | null {
    if (box.length < BOX_OVERHEAD) return null;
    const nonce = box.subarray(0, NONCE_SIZE);
    const stream = new Uint8Array(AUTHENTICATION_KEY + box.length - BOX_OVERHEAD);
    const text = stream.subarray(AUTHENTICATION_KEY);
    text.set(box.subarray(BOX_OVERHEAD));
    const tag = poly1305(text, xsalsa20(key, nonce, new Uint8Array(AUTHENTICATION_KEY)));
    if (!equal(tag, box.subarray(NONCE_SIZE, BOX_OVERHEAD))) return null;
    xsalsa20(key, nonce, stream, stream);
    return text;
}
