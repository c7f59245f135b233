/**
 * SPAKE2: two ends with the same password get the same key, and an attacker has one guess.
 *
 * The symmetric variant over Ed25519, as `SPAKE2_Symmetric` of the Python package `spake2` has it.
 */
import { Point } from "@noble/ed25519";
import { type Bytes, concat, equal, hex, normalised, utf8 } from "../bytes.ts";
import type { RandomBytes } from "../codes/code.ts";
import { hkdf } from "./hkdf.ts";
import { sha256 } from "./sha256.ts";

const ORDER = Point.CURVE().n;
// The package's arbitrary element for the seed "symmetric"; nobody knows its logarithm.
const BLINDING = Point.fromHex("6f00dae87c1be1a73b5922ef431cd8f57879569c222d22b1cd71e8546ab8e6f1");
const SYMMETRIC = 0x53; // "S"
const MESSAGE_SIZE = 33; // the "S", and an element
const SCALAR_BYTES = 64; // twice the order's, so that the remainder has no bias

/** One end of an exchange; `message` is for the other end. */
export class KeyExchange {
    readonly message: Bytes;
    readonly #password: Bytes;
    readonly #identity: Bytes;
    readonly #blind: bigint;
    readonly #secret: bigint;

    constructor(password: string, identity: string, random: RandomBytes) {
        this.#password = normalised(password);
        this.#identity = normalised(identity);
        const stretched = hkdf(this.#password, utf8("SPAKE2 pw"), 32 + 16);
        this.#blind = toScalar(stretched);
        this.#secret = toScalar(random(SCALAR_BYTES));
        const element = Point.BASE.multiply(this.#secret).add(BLINDING.multiply(this.#blind));
        this.message = concat(Uint8Array.of(SYMMETRIC), element.toBytes());
    }

    /**
     * Compute the shared key from the other end's message.
     *
     * @returns null if the message is not one of SPAKE2: its form, an element that is not of the group or
     *     is its neutral one, or this end's own message.
     */
    finish(theirs: Uint8Array): Bytes | null {
        if (theirs.length !== MESSAGE_SIZE || theirs[0] !== SYMMETRIC) return null;
        if (equal(theirs, this.message)) return null;
        const inbound = theirs.subarray(1);
        const outbound = this.message.subarray(1);
        const element = parseElement(inbound);
        if (element === null) return null;
        const shared = element.subtract(BLINDING.multiply(this.#blind)).multiply(this.#secret);
        const ordered = hex(outbound) < hex(inbound) ? [outbound, inbound] : [inbound, outbound];
        const passwordHash = sha256(this.#password);
        return sha256(concat(passwordHash, sha256(this.#identity), ...ordered, shared.toBytes()));
    }
}

function parseElement(bytes: Uint8Array): Point | null {
    try {
        const element = Point.fromBytes(bytes);
        return element.is0() || !element.isTorsionFree() ? null : element;
    } catch {
        return null; // not on the curve, or not the shortest form
    }
}

function toScalar(bytes: Uint8Array): bigint {
    return BigInt(`0x${hex(bytes)}`) % ORDER;
}
