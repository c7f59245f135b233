/** A small model of the rendezvous server, and sessions on connections that may break at any message. */
import { type Outcome, Session, type SessionOwner, type Goal } from "../../../core/session/session.ts";
import type { SessionState } from "../../../core/session/state.ts";
import type { StoredOffer } from "../../../core/transfer/messages.ts";
import type { Role } from "../../../core/keys/derivation.ts";

type Message = { [key: string]: unknown };
interface Stored { side: string; phase: string; body: string }

/** One mailbox for each nameplate, for as long as a side has either. */
export class ModelServer {
    readonly nameplates = new Map<string, { mailbox: string; sides: Set<string>; released: Set<string> }>();
    readonly mailboxes = new Map<string, { messages: Stored[]; opened: Set<string>; closed: Set<string> }>();
    readonly links = new Set<ModelLink>();
    readonly moods: string[] = [];
    welcome: Message = { motd: "hello" };
    refusal: { type: string; error: string } | null = null; // of the next command of that type
    #made = 0;

    handle(link: ModelLink, command: Message): void {
        const text = (key: string): string => String(command[key]);
        if (command["type"] === this.refusal?.type) {
            link.send({ type: "error", error: this.refusal?.error, orig: command });
            this.refusal = null;
            return;
        }
        switch (command["type"]) {
            case "bind":
                link.side = text("side");
                return;
            case "list":
                return link.send({ type: "nameplates", nameplates: [...this.nameplates.keys()].map((id) => ({ id })) });
            case "allocate": {
                const nameplate = String(this.nameplates.size + 1);
                this.#claim(link, nameplate);
                return link.send({ type: "allocated", nameplate });
            }
            case "claim": {
                const mailbox = this.#claim(link, text("nameplate"));
                if (mailbox !== null) link.send({ type: "claimed", mailbox });
                return;
            }
            case "release": {
                const nameplate = this.nameplates.get(text("nameplate"));
                nameplate?.released.add(link.side);
                if (nameplate?.released.size === nameplate?.sides.size) this.nameplates.delete(text("nameplate"));
                return link.send({ type: "released" });
            }
            case "open": {
                link.mailbox = text("mailbox");
                const mailbox = this.#mailbox(link.mailbox);
                mailbox.opened.add(link.side);
                mailbox.closed.delete(link.side);
                for (const message of mailbox.messages) link.send({ type: "message", ...message });
                return;
            }
            case "add": {
                if (link.mailbox === "") return link.send({ type: "error", error: "must open mailbox before adding" });
                const message = { side: link.side, phase: text("phase"), body: text("body") };
                const { messages } = this.#mailbox(link.mailbox);
                const same = messages.find((each) => JSON.stringify(each) === JSON.stringify(message));
                if (same) return link.send({ type: "message", ...same });
                messages.push(message);
                for (const each of this.links) {
                    if (each.mailbox === link.mailbox) each.send({ type: "message", ...message });
                }
                return;
            }
            case "close": {
                const mailbox = this.mailboxes.get(text("mailbox"));
                if (mailbox && !mailbox.closed.has(link.side)) this.moods.push(text("mood"));
                mailbox?.closed.add(link.side);
                if (mailbox?.closed.size === mailbox?.opened.size) this.mailboxes.delete(text("mailbox"));
                link.mailbox = "";
                return link.send({ type: "closed" });
            }
            default:
                throw new Error(`the model does not know ${JSON.stringify(command)}`);
        }
    }

    /** Forget everything, as a server with a new database. */
    forget(): void {
        this.nameplates.clear();
        this.mailboxes.clear();
    }

    #claim(link: ModelLink, id: string): string | null {
        const nameplate = this.nameplates.get(id)
            ?? { mailbox: `mailbox-${++this.#made}`, sides: new Set<string>(), released: new Set<string>() };
        this.nameplates.set(id, nameplate);
        const refuse = (error: string): null => (link.send({ type: "error", error }), null);
        if (nameplate.released.has(link.side)) return refuse("reclaimed");
        if (!nameplate.sides.has(link.side) && nameplate.sides.size === 2) return refuse("crowded");
        nameplate.sides.add(link.side);
        this.#mailbox(nameplate.mailbox).opened.add(link.side);
        return nameplate.mailbox;
    }

    #mailbox(id: string): { messages: Stored[]; opened: Set<string>; closed: Set<string> } {
        const mailbox = this.mailboxes.get(id) ?? { messages: [], opened: new Set(), closed: new Set() };
        this.mailboxes.set(id, mailbox);
        return mailbox;
    }
}

/** A connection, with what is on its way in both directions. */
export class ModelLink {
    side = "";
    mailbox = "";
    readonly toServer: string[] = [];
    readonly toClient: string[] = [];

    constructor(readonly server: ModelServer) {
        server.links.add(this);
        this.send({ type: "welcome", welcome: server.welcome });
    }

    send(message: Message): void {
        this.toClient.push(JSON.stringify(message));
    }
}

/** A session with all that it told its owner; the bytes "move" as soon as both ends want to move them. */
export class ModelEnd implements SessionOwner {
    readonly session: Session;
    link: ModelLink;
    readonly states: SessionState[] = [];
    readonly told: string[] = [];
    codeShown = "";
    motd: string | null = null;
    listed: readonly string[] = [];
    verifierShown = "";
    offered: StoredOffer | null = null;
    moved: { key: Uint8Array; role: Role } | null = null;
    stopped = false;
    reasonAwaited = false;
    isSettled = false;
    isFinished = false;

    constructor(readonly server: ModelServer, side: string, seed: number, verify = false) {
        let counter = seed;
        this.session = new Session(side, {
            hints: [], verify, clientVersion: ["test", "0"], day: () => "261126",
            random: (size) => Uint8Array.from({ length: size }, () => (counter = (counter * 137 + 1) % 65521) & 255),
        }, this);
        this.link = new ModelLink(server);
    }

    transmit(text: string): void { this.link.toServer.push(text); }
    welcome(motd: string | null): void { this.motd = motd; }
    nameplates(nameplates: readonly string[]): void { this.listed = nameplates; }
    state(state: SessionState): void { this.states.push(state); }
    code(code: string): void { this.codeShown = code; }
    peer(verifier: string): void { this.verifierShown = verifier; }
    offer(offer: StoredOffer): void { this.offered = offer; }
    move(key: Uint8Array, role: Role): void { this.moved = { key, role }; }
    stop(): void { this.stopped = true; }
    awaitReason(): void { this.reasonAwaited = true; }
    settled(): void { this.isSettled = true; }
    finished(): void { this.isFinished = true; }

    get outcome(): Outcome | null { return this.session.outcome; }

    /** Let the server handle one message of this end. */
    serve(): boolean {
        const text = this.link.toServer.shift();
        if (text !== undefined) this.server.handle(this.link, JSON.parse(text));
        return text !== undefined;
    }

    /** Let this end handle one message of the server. */
    deliver(): boolean {
        const text = this.link.toClient.shift();
        if (text !== undefined) this.session.received(text);
        return text !== undefined;
    }

    /** Lose the connection with all that is on its way, and make another one. */
    reconnect(): void {
        this.server.links.delete(this.link);
        this.session.lost();
        this.link = new ModelLink(this.server);
    }

    begin(goal: Goal): this {
        this.session.begin(goal);
        return this;
    }
}

/** Let everything that is on its way arrive. */
export function settle(...ends: readonly ModelEnd[]): void {
    while (ends.map((end) => end.serve() || end.deliver()).some(Boolean));
}
