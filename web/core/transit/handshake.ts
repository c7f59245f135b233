/**
 * The handshake on a connection to the relay: with the relay, which joins this end with the peer, and then
 * with the peer, which proves that it has the same key.
 */
import { type Bytes, concat, utf8 } from "../bytes.ts";
import { type Role, type TransitKeys, otherRole } from "../keys/derivation.ts";
import type { ByteQueue } from "./byte-queue.ts";

const OK = utf8("ok\n");
const GO = utf8("go\n");

/** What is expected next; over is "passed". */
export type HandshakeStep = "relay" | "peer" | "decision" | "passed";

export class Handshake {
    readonly #keys: TransitKeys;
    readonly #role: Role;
    #step: HandshakeStep = "relay";

    constructor(keys: TransitKeys, role: Role) {
        this.#keys = keys;
        this.#role = role;
    }

    get step(): HandshakeStep {
        return this.#step;
    }

    /** Make what is written first. @param side of this end at the relay, 16 hex digits. */
    request(side: string): Bytes {
        return utf8(`please relay ${this.#keys.relayToken()} for side ${side}\n`);
    }

    /**
     * Take from what has arrived, and move `step` on.
     *
     * @returns what to write next; null if this connection does not lead to the peer, or the sender has
     *     chosen another one.
     */
    feed(arrived: ByteQueue): Bytes | null {
        let reply = utf8("");
        for (;;) {
            const expected = this.#expected();
            const beginning = arrived.peek(Math.min(expected.length, arrived.length));
            if (beginning?.some((byte, index) => byte !== expected[index]) ?? true) return null;
            if (this.#step === "passed" || arrived.take(expected.length) === null) return reply;
            reply = concat(reply, this.#advance());
        }
    }

    #expected(): Bytes {
        switch (this.#step) {
            case "relay":
                return OK;
            case "peer":
                return this.#keys.handshake(otherRole(this.#role));
            case "decision":
                return GO;
            case "passed":
                return utf8("");
        }
    }

    /** The sender decides: this is its only connection. */
    #advance(): Bytes {
        if (this.#step === "relay") {
            this.#step = "peer";
            return this.#keys.handshake(this.#role);
        }
        const decided = this.#step === "decision" || this.#role === "sender";
        const reply = this.#step === "peer" && this.#role === "sender" ? GO : utf8("");
        this.#step = decided ? "passed" : "decision";
        return reply;
    }
}
