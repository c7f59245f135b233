/** HKDF with SHA-256 (RFC 5869). That of @noble/hashes is many times as large, as it is for any hash. */
import { type Bytes, concat } from "../bytes.ts";
import { sha256 } from "./sha256.ts";

const BLOCK = 64; // bytes that SHA-256 takes at a time

/** Derive so many bytes (at most 255 × 32) from a key, for one purpose; without a salt. */
export function hkdf(key: Uint8Array, purpose: Uint8Array, length: number): Bytes {
    const extracted = hmac(new Uint8Array(BLOCK), key);
    let block: Uint8Array = new Uint8Array(0);
    let derived = new Uint8Array(0);
    for (let counter = 1; derived.length < length; counter++) {
        block = hmac(extracted, concat(block, purpose, Uint8Array.of(counter)));
        derived = concat(derived, block);
    }
    return derived.slice(0, length);
}

/** HMAC (RFC 2104), with a key of at most one block. */
function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
    const pad = (mask: number): Uint8Array => Uint8Array.from({ length: BLOCK }, (_, index) => (key[index] ?? 0) ^ mask);
    return sha256(concat(pad(0x5c), sha256(concat(pad(0x36), message))));
}
