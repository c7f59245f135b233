/**
 * The mailbox: gets a nameplate and its mailbox, adds messages until the server has echoed each, closes it.
 *
 * After a reconnect it repeats whatever was not answered; the server knows the side and does nothing twice.
 * It knows nothing of what the messages say.
 */
import { type Bytes, hex } from "../bytes.ts";
import type { Command, Mood, ServerMessage } from "./server-messages.ts";

/** How far the nameplate is. It never moves backwards. */
type NameplateStage =
    | { readonly at: "nothing" }
    | { readonly at: "allocating" }                          // the server is to choose one
    | { readonly at: "claiming"; readonly nameplate: string } // its mailbox is not known
    | { readonly at: "claimed"; readonly nameplate: string }  // ours until the other end has come
    | { readonly at: "releasing"; readonly nameplate: string } // the release is not confirmed
    | { readonly at: "released" };

export interface MailboxOwner {
    /** Send a command. It is lost with the connection; the mailbox repeats it then. */
    command(command: Command): void;
    /** The server has chosen the nameplate. */
    allocated(nameplate: string): void;
    /** A message of another side was added. */
    message(side: string, phase: string, body: Bytes): void;
    /** The server holds nothing of this side any more. */
    closed(): void;
}

export class Mailbox {
    readonly #owner: MailboxOwner;
    readonly #side: string;
    #online = false;
    #asked = false; // whether the server has been sent anything
    #nameplate: NameplateStage = { at: "nothing" };
    #mailbox: string | null = null;
    readonly #messages = new Map<string, string>(); // phase -> body in hex, in order
    readonly #echoed = new Set<string>(); // phases
    #mood: Mood | null = null; // of the close that was asked for
    #closeSent = false; // on this connection
    #closed = false;

    constructor(side: string, owner: MailboxOwner) {
        this.#side = side;
        this.#owner = owner;
    }

    /** Have the server choose a nameplate. */
    allocate(): void {
        this.#nameplate = { at: "allocating" };
        this.#repeatNameplate();
    }

    claim(nameplate: string): void {
        this.#nameplate = { at: "claiming", nameplate };
        this.#repeatNameplate();
    }

    /** Give the nameplate back: the other end has come, and the mailbox is known. */
    release(): void {
        if (this.#nameplate.at !== "claimed") return;
        this.#nameplate = { at: "releasing", nameplate: this.#nameplate.nameplate };
        this.#repeatNameplate();
    }

    /** Store a message for the other end. */
    add(phase: string, body: Uint8Array): void {
        this.#messages.set(phase, hex(body));
        if (this.#mailbox !== null) this.#command({ type: "add", phase, body: hex(body) });
    }

    /** Close the mailbox, as soon as the server has stored all messages. */
    close(mood: Mood): void {
        this.#mood ??= mood;
        if (!this.#asked) this.#finish();
        else this.#continueClosing();
    }

    /** Handle that the server refused a command: what it has not stored by now is not repeated. */
    refused(): void {
        for (const phase of this.#messages.keys()) {
            if (!this.#echoed.has(phase)) this.#messages.delete(phase);
        }
        if (this.#mailbox === null) this.#finish();
        else this.#continueClosing();
    }

    /** Handle that there is a connection on which this side is bound. */
    connected(): void {
        this.#online = true;
        this.#closeSent = false;
        this.#repeatNameplate();
        if (this.#mailbox !== null && !this.#closed) this.#open(this.#mailbox);
        this.#continueClosing();
    }

    lost(): void {
        this.#online = false;
    }

    /** Handle what the server sent, if it concerns a mailbox. */
    received(message: ServerMessage): void {
        switch (message.type) {
            case "allocated":
                if (this.#nameplate.at !== "allocating") return;
                this.claim(message.nameplate);
                this.#owner.allocated(message.nameplate);
                return;
            case "claimed":
                this.#claimed(message.mailbox);
                return;
            case "released":
                if (this.#nameplate.at === "releasing") this.#nameplate = { at: "released" };
                this.#finishIfClosed();
                return;
            case "message":
                if (message.side !== this.#side) this.#owner.message(message.side, message.phase, message.body);
                else if (this.#messages.get(message.phase) === hex(message.body)) this.#echoed.add(message.phase);
                this.#continueClosing();
                return;
            case "closed":
                if (this.#mood === null) return;
                this.#closed = true;
                this.#finishIfClosed();
                return;
            default:
        }
    }

    #claimed(mailbox: string): void {
        if (this.#nameplate.at === "claiming") {
            this.#nameplate = { at: "claimed", nameplate: this.#nameplate.nameplate };
        }
        if (this.#mailbox !== mailbox) {
            this.#mailbox = mailbox; // another one than before: the server has forgotten the first
            this.#echoed.clear();
            this.#open(mailbox);
        }
        this.#continueClosing();
    }

    #repeatNameplate(): void {
        const nameplate = this.#nameplate;
        if (nameplate.at === "allocating") this.#command({ type: "allocate" });
        if (nameplate.at === "claiming" || nameplate.at === "claimed") {
            this.#command({ type: "claim", nameplate: nameplate.nameplate });
        }
        if (nameplate.at === "releasing") this.#command({ type: "release", nameplate: nameplate.nameplate });
    }

    #open(mailbox: string): void {
        this.#command({ type: "open", mailbox });
        for (const [phase, body] of this.#messages) {
            if (!this.#echoed.has(phase)) this.#command({ type: "add", phase, body });
        }
    }

    #continueClosing(): void {
        const stored = this.#echoed.size === this.#messages.size;
        if (this.#mood === null || this.#mailbox === null || !stored) return;
        this.release();
        if (this.#closeSent || this.#closed || !this.#online) return;
        this.#closeSent = true;
        this.#command({ type: "close", mailbox: this.#mailbox, mood: this.#mood });
    }

    #finishIfClosed(): void {
        if (this.#closed && this.#nameplate.at !== "releasing") this.#finish();
    }

    #finish(): void {
        this.#nameplate = { at: "released" };
        this.#closed = true;
        this.#owner.closed();
    }

    #command(command: Command): void {
        if (!this.#online) return;
        this.#asked = true;
        this.#owner.command(command);
    }
}
