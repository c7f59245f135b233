/** The keys that are derived from the shared key, each for one purpose. */
import { type Bytes, concat, hex, utf8 } from "../bytes.ts";
import { hkdf } from "./hkdf.ts";
import { sha256 } from "./sha256.ts";

export const APPID = "lothar.com/wormhole/text-or-file-xfer";
// All clients use this text, whatever appid is configured.
const TRANSIT_PURPOSE = `${APPID}/transit-key`;

export type Role = "sender" | "receiver";

export function otherRole(role: Role): Role {
    return role === "sender" ? "receiver" : "sender";
}

/** Derive a key (HKDF-SHA256) of so many bytes. It reveals nothing about the one it is derived from. */
export function derive(key: Uint8Array, purpose: Uint8Array, length = 32): Bytes {
    return hkdf(key, purpose, length);
}

/** Derive the key of one message; the side is its sender's. */
export function phaseKey(key: Uint8Array, side: string, phase: string): Bytes {
    return derive(key, concat(utf8("wormhole:phase:"), sha256(utf8(side)), sha256(utf8(phase))));
}

/** Derive the verifier, which both users may compare to exclude an attacker between them; in hex. */
export function verifier(key: Uint8Array): string {
    return hex(derive(key, utf8("wormhole:verifier")));
}

/** The keys of one transit connection. */
export class TransitKeys {
    readonly #key: Bytes;

    constructor(sharedKey: Uint8Array) {
        this.#key = derive(sharedKey, utf8(TRANSIT_PURPOSE));
    }

    /** Derive the token by which a relay finds both ends. */
    relayToken(): string {
        return hex(this.#derive("transit_relay_token"));
    }

    /** Make the handshake that an end sends first. */
    handshake(role: Role): Bytes {
        return utf8(`transit ${role} ${hex(this.#derive(`transit_${role}`))} ready\n\n`);
    }

    /** Derive the key of the records that one end writes. */
    records(role: Role): Bytes {
        return this.#derive(`transit_record_${role}_key`);
    }

    #derive(purpose: string): Bytes {
        return derive(this.#key, utf8(purpose));
    }
}
