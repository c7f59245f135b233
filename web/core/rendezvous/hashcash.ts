/** Hashcash: work that a server under attack asks of clients before it serves them. */
import { sha1 } from "@noble/hashes/legacy.js";
import { type JsonObject, asObject, hex, utf8 } from "../bytes.ts";
import type { RandomBytes } from "../codes/code.ts";

const MOST_BITS = 26; // about a minute; more would look like a page that hangs

/** What the server asks for: a stamp for a resource, with so many zero bits in front of its hash. */
export interface HashcashDemand {
    readonly bits: number;
    readonly resource: string;
}

/**
 * Read what a welcome requires.
 *
 * @returns "none" if nothing has to be done, null if this client can do none of it.
 */
export function readPermission(welcome: JsonObject): HashcashDemand | "none" | null {
    const required = asObject(welcome["permission-required"]);
    if (required === null || "none" in required || Object.keys(required).length === 0) return "none";
    const { bits, resource } = asObject(required["hashcash"]) ?? {};
    if (typeof bits !== "number" || !Number.isInteger(bits) || typeof resource !== "string") return null;
    return bits > MOST_BITS ? null : { bits, resource };
}

/** Make a stamp. @param date the day in UTC, as `YYMMDD`. */
export function mintStamp(demand: HashcashDemand, date: string, random: RandomBytes): string {
    const prefix = `1:${demand.bits}:${date}:${demand.resource}::${hex(random(8))}:`;
    for (let counter = 0; ; counter++) {
        const stamp = prefix + counter.toString(16);
        if (leadingZeros(sha1(utf8(stamp))) >= demand.bits) return stamp;
    }
}

export function leadingZeros(bytes: Uint8Array): number {
    const index = bytes.findIndex((byte) => byte !== 0);
    return index < 0 ? 8 * bytes.length : 8 * index + Math.clz32(bytes[index] ?? 0) - 24;
}
