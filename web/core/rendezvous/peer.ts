/**
 * The encrypted exchange of messages with the peer, through a mailbox.
 *
 * Makes the key, proves to both ends that they have the same, and puts the peer's messages in order. The
 * peer is the side of the first `pake`; messages of other sides are dropped.
 */
import { type Bytes, encodeJson, hex, parseHex, parseObject } from "../bytes.ts";
import type { RandomBytes } from "../codes/code.ts";
import { openBox, sealBox } from "../keys/box.ts";
import { APPID, phaseKey } from "../keys/derivation.ts";
import { KeyExchange } from "../keys/key-exchange.ts";

const MOST_HELD = 100; // messages that came too early; a peer sends one or two before its pake
const NUMBER = /^(?:0|[1-9][0-9]{0,8})$/u; // the phases of an application's messages

export interface PeerOwner {
    /** Add a message to the mailbox. */
    add(phase: string, body: Bytes): void;
    /** The other end has come. */
    met(): void;
    /** It has proved that it has the code. */
    proved(key: Bytes): void;
    /** Its next message, decrypted. */
    message(plaintext: Uint8Array): void;
    /** It has another code, or sent what no client sends. Nothing else follows. */
    wrongCode(): void;
}

export class Peer {
    readonly #owner: PeerOwner;
    readonly #side: string;
    readonly #random: RandomBytes;
    #exchange: KeyExchange | null = null;
    #peerSide: string | null = null;
    #key: Bytes | null = null;
    #proved = false;
    #failed = false;
    #held: [side: string, phase: string, body: Bytes][] = [];
    readonly #unordered = new Map<number, Uint8Array>();
    #next = 0; // number of the peer's next message
    #sent = 0;

    constructor(side: string, random: RandomBytes, owner: PeerOwner) {
        this.#side = side;
        this.#random = random;
        this.#owner = owner;
    }

    /** Begin the key exchange with the code as its password. */
    start(code: string): void {
        this.#exchange = new KeyExchange(code, APPID, this.#random);
        this.#owner.add("pake", encodeJson({ pake_v1: hex(this.#exchange.message) }));
    }

    /** Send the peer a message, which nobody else can read. Before it has come there is no key, and nothing is sent. */
    send(plaintext: Uint8Array): void {
        if (this.#key !== null) this.#addSealed(this.#key, String(this.#sent++), plaintext);
    }

    /** Handle a message that another side has added. */
    received(side: string, phase: string, body: Bytes): void {
        if (this.#failed) return;
        if (this.#peerSide === null) {
            if (phase === "pake") this.#meet(side, body);
            else if (this.#held.length < MOST_HELD) this.#held.push([side, phase, body]);
        } else if (side === this.#peerSide && phase !== "pake") {
            this.#open(phase, body);
        }
    }

    #meet(side: string, body: Bytes): void {
        this.#peerSide = side;
        const element = parseObject(body)?.["pake_v1"];
        const message = typeof element === "string" ? parseHex(element) : null;
        const key = (this.#key = message && (this.#exchange?.finish(message) ?? null));
        this.#owner.met();
        if (key === null) return this.#fail();
        this.#addSealed(key, "version", encodeJson({ app_versions: {} }));
        const held = this.#held;
        this.#held = [];
        for (const early of held) this.received(...early);
    }

    #open(phase: string, body: Bytes): void {
        if (this.#key === null) return;
        const plaintext = openBox(phaseKey(this.#key, this.#peerSide ?? "", phase), body);
        if (plaintext === null) return this.#fail();
        if (!this.#proved) {
            this.#proved = true;
            this.#owner.proved(this.#key);
        }
        const number = NUMBER.test(phase) ? Number(phase) : -1;
        if (number < this.#next || number > this.#next + MOST_HELD) return;
        this.#unordered.set(number, plaintext);
        for (let next; (next = this.#unordered.get(this.#next)) !== undefined; ) {
            this.#unordered.delete(this.#next++);
            this.#owner.message(next);
        }
    }

    #addSealed(key: Bytes, phase: string, plaintext: Uint8Array): void {
        this.#owner.add(phase, sealBox(phaseKey(key, this.#side, phase), plaintext, this.#random));
    }

    #fail(): void {
        this.#failed = true;
        this.#owner.wrongCode();
    }
}
