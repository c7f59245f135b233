/**
 * The session: one transfer, up to the bytes and after them.
 *
 * Takes what the server, the user and the transfer of the bytes report, in any order; says through its
 * owner what is to be done. Its own order is `FOLLOWING`.
 */
import type { Bytes } from "../bytes.ts";
import { Code, type RandomBytes } from "../codes/code.ts";
import { APPID, type Role, verifier } from "../keys/derivation.ts";
import { mintStamp, readPermission } from "../rendezvous/hashcash.ts";
import { Mailbox, type MailboxOwner } from "../rendezvous/mailbox.ts";
import { Peer, type PeerOwner } from "../rendezvous/peer.ts";
import { type Command, type Mood, parseServerMessage } from "../rendezvous/server-messages.ts";
import * as transfer from "../transfer/messages.ts";
import type { Hint } from "../transit/hints.ts";
import { type FailureReason, TOLD, TransferFailure, peerFailure } from "./failure.ts";
import { FOLLOWING, type SessionState } from "./state.ts";

/** What the session is for. A sender with words alone lets the server choose the nameplate. */
export type Goal =
    | { readonly role: "sender"; readonly offer: transfer.Offer; readonly code: Code | { readonly words: string } }
    | { readonly role: "receiver"; readonly code: Code };

/** How a session ended: with the text that was received, if it was one, or failed. */
export type Outcome = { readonly text: string | null } | TransferFailure;

export interface SessionSettings {
    readonly hints: readonly Hint[];
    /** The user compares verifiers before anything is offered. */
    readonly verify: boolean;
    readonly clientVersion: readonly [implementation: string, version: string];
    readonly random: RandomBytes;
    /** Returns the day in UTC, as `YYMMDD`. */
    readonly day: () => string;
}

export interface SessionOwner {
    /** Send a message to the server, on the connection of this moment. */
    transmit(text: string): void;
    welcome(motd: string | null): void;
    nameplates(nameplates: readonly string[]): void;
    state(state: SessionState): void;
    code(code: string): void;
    peer(verifier: string): void;
    /** Let the user decide: `accept`, or `fail` with `declined`. */
    offer(offer: transfer.StoredOffer): void;
    /** Move the bytes, and report `moving`, then `moved` or `transferFailed`. */
    move(key: Bytes, role: Role): void;
    /** Stop moving bytes. */
    stop(): void;
    /** The connection to the peer has ended: call `reasonAwaited` in 2 seconds. */
    awaitReason(): void;
    /** How it ends is clear. What is left is to take leave of the server. */
    settled(): void;
    /** The server needs nothing more. */
    finished(): void;
}

const FAULTS: readonly FailureReason[] = ["not-understood", "internal", "server-refused", "hash-differs"];

export class Session {
    readonly side: string;
    readonly #settings: SessionSettings;
    readonly #owner: SessionOwner;
    readonly #mailbox: Mailbox;
    readonly #peer: Peer;
    #goal: Goal | null = null;
    #state: SessionState = "idle";
    #welcomed = false; // on this connection
    #listing = false;
    #key: Bytes | null = null;
    #verified = false;
    #offered: transfer.Offer | null = null;
    #lost: TransferFailure | null = null; // until the peer's reason has come
    #outcome: Outcome | null = null;

    constructor(side: string, settings: SessionSettings, owner: SessionOwner) {
        this.side = side;
        this.#settings = settings;
        this.#owner = owner;
        this.#mailbox = new Mailbox(side, this.#asMailboxOwner());
        this.#peer = new Peer(side, settings.random, this.#asPeerOwner());
    }

    get state(): SessionState {
        return this.#state;
    }

    /** How it ended; null as long as that is open. */
    get outcome(): Outcome | null {
        return this.#outcome;
    }

    // The user

    /** Begin. Only the first goal counts. */
    begin(goal: Goal): void {
        if (this.#goal !== null || this.#outcome !== null) return;
        this.#goal = goal;
        this.#go("connecting");
        if (this.#welcomed) this.#join(goal);
    }

    /** Ask the server which nameplates it lists. */
    listNameplates(): void {
        this.#listing = true;
        if (this.#welcomed) this.#send({ type: "list" });
    }

    /** The user has compared the verifiers. */
    compared(same: boolean): void {
        if (this.#state !== "version-ok" || this.#verified) return;
        if (same) this.#proceed();
        else this.fail(new TransferFailure("not-verified"));
    }

    /** The user accepts the offer, and there is a place for it. */
    accept(): void {
        if (this.#state !== "deciding" || this.#offered === null) return;
        this.#peer.send(transfer.encodeTransit(this.#settings.hints));
        this.#peer.send(transfer.encodeAnswer(this.#offered));
        this.#move();
    }

    /** End it, unless its end is clear already, and tell the other end why. */
    fail(failure: TransferFailure): void {
        if (this.#outcome !== null) return;
        const told = TOLD[failure.reason];
        if (told !== undefined) this.#peer.send(transfer.encodeAbort(told));
        this.#settle(failure, this.#mood(failure.reason));
    }

    // The transfer of the bytes

    moving(): void {
        if (this.#state === "transit") this.#go("moving");
    }

    /** Everything has arrived, and the sender knows. */
    moved(): void {
        if (this.#state === "moving") this.#settle({ text: null }, "happy");
    }

    transferFailed(failure: TransferFailure): void {
        if (this.#outcome !== null || this.#lost !== null) return;
        if (failure.reason !== "peer-gone") return this.fail(failure);
        this.#lost = failure;
        this.#owner.awaitReason();
    }

    /** The peer has had its time to say why it has gone. */
    reasonAwaited(): void {
        if (this.#lost !== null) this.fail(this.#lost);
    }

    // The server

    /** The connection is lost. The session goes on when there is another one. */
    lost(): void {
        this.#welcomed = false;
        this.#mailbox.lost();
    }

    /** Handle a message of the server. */
    received(text: string): void {
        const message = parseServerMessage(text);
        if (message === "unknown") return;
        if (message === null) return this.fail(new TransferFailure("not-understood", "the server's answer"));
        switch (message.type) {
            case "welcome":
                return this.#welcome(message.welcome);
            case "nameplates":
                if (this.#listing) this.#owner.nameplates(message.nameplates);
                this.#listing = false;
                return;
            case "error":
                this.#mailbox.refused();
                return this.fail(message.error === "crowded"
                    ? new TransferFailure("crowded")
                    : new TransferFailure("server-refused", message.error));
            default:
                this.#mailbox.received(message);
        }
    }

    #welcome(welcome: { readonly [key: string]: unknown }): void {
        const { error, motd } = welcome;
        const { clientVersion, day, random } = this.#settings;
        const permission = readPermission(welcome);
        if (typeof error === "string") return this.fail(new TransferFailure("server-refused", error));
        if (permission === null) return this.fail(new TransferFailure("server-refused", "a permission is required"));
        if (permission !== "none") {
            const stamp = mintStamp(permission, day(), random);
            this.#send({ type: "submit-permissions", method: "hashcash", stamp });
        }
        this.#send({ type: "bind", appid: APPID, side: this.side, client_version: clientVersion });
        this.#welcomed = true;
        this.#owner.welcome(typeof motd === "string" ? motd : null);
        if (this.#listing) this.#send({ type: "list" });
        this.#mailbox.connected();
        if (this.#goal !== null && this.#state === "connecting") this.#join(this.#goal);
    }

    #join(goal: Goal): void {
        if (goal.code instanceof Code) {
            this.#mailbox.claim(goal.code.nameplate);
            this.#use(goal.code);
        } else {
            this.#go("allocating");
            this.#mailbox.allocate();
        }
    }

    #use(code: Code): void {
        this.#owner.code(code.toString());
        this.#go("waiting-for-peer");
        this.#peer.start(code.toString());
    }

    #asMailboxOwner(): MailboxOwner {
        return {
            command: (command) => this.#send(command),
            allocated: (nameplate) => {
                if (this.#goal !== null && this.#outcome === null) this.#use(new Code(nameplate, this.#goal.code.words));
            },
            message: (side, phase, body) => {
                if (this.#outcome === null) this.#peer.received(side, phase, body);
            },
            closed: () => {
                if (this.#state !== "closed") this.#go("closed");
                this.#owner.finished();
            },
        };
    }

    #send(command: Command): void {
        this.#owner.transmit(JSON.stringify(command));
    }

    // The peer

    #asPeerOwner(): PeerOwner {
        return {
            add: (phase, body) => this.#mailbox.add(phase, body),
            met: () => {
                this.#mailbox.release();
                this.#go("key-exchange");
            },
            proved: (key) => {
                this.#key = key;
                this.#go("version-ok");
                this.#owner.peer(verifier(key));
                if (!this.#settings.verify) this.#proceed();
            },
            message: (plaintext) => this.#message(plaintext),
            wrongCode: () => this.fail(new TransferFailure("wrong-code")),
        };
    }

    #message(plaintext: Uint8Array): void {
        const parsed = transfer.parseTransferMessage(plaintext);
        if (parsed === null) return this.fail(new TransferFailure("not-understood", "the other end's message"));
        for (const message of parsed) {
            if (this.#outcome !== null) return;
            if (message.kind === "abort") this.fail(peerFailure(message.text));
            if (message.kind === "offer") this.#gotOffer(message.offer);
            if (message.kind === "answer") this.#gotAnswer();
        }
    }

    /** Go on from version-ok: the two ends know each other. */
    #proceed(): void {
        this.#verified = true;
        if (this.#goal?.role !== "sender") return this.#decide();
        const { offer } = this.#goal;
        this.#go("offering");
        // `wormhole receive` of a text fails if it is sent hints.
        if (offer.kind !== "text") this.#peer.send(transfer.encodeTransit(this.#settings.hints));
        this.#peer.send(transfer.encodeOffer(offer));
    }

    #gotOffer(offer: transfer.Offer): void {
        if (this.#goal?.role === "sender") {
            return this.fail(new TransferFailure("not-understood", "the other end is sending, too"));
        }
        if (this.#offered !== null) return;
        this.#offered = offer;
        if (this.#verified) this.#decide();
    }

    #decide(): void {
        const offer = this.#offered;
        if (offer === null) return;
        if (offer.kind === "text") {
            this.#peer.send(transfer.encodeAnswer(offer));
            return this.#settle({ text: offer.text }, "happy");
        }
        this.#go("deciding");
        this.#owner.offer(offer);
    }

    #gotAnswer(): void {
        if (this.#state !== "offering" || this.#goal?.role !== "sender") return;
        if (this.#goal.offer.kind === "text") this.#settle({ text: null }, "happy");
        else this.#move();
    }

    #move(): void {
        if (this.#key === null || this.#goal === null) return;
        this.#go("transit");
        this.#owner.move(this.#key, this.#goal.role);
    }

    // The end

    #settle(outcome: Outcome, mood: Mood): void {
        this.#outcome = outcome;
        this.#go(outcome instanceof TransferFailure ? "closed" : "acknowledged");
        this.#owner.stop();
        this.#owner.settled();
        this.#mailbox.close(mood);
    }

    #mood(reason: FailureReason): Mood {
        if (reason === "wrong-code") return "scary";
        if (FAULTS.includes(reason)) return "errory";
        return this.#key === null ? "lonely" : "happy";
    }

    #go(state: SessionState): void {
        if (state !== "closed" && !FOLLOWING[this.#state].includes(state)) {
            throw new Error(`${this.#state} to ${state}`);
        }
        this.#state = state;
        this.#owner.state(state);
    }
}
