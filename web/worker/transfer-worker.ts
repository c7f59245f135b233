/**
 * One transfer: joins the page, the session, the connection to the server and the bytes.
 *
 * Owns the timers of the session, the sink and the progress that the page is told. Decides nothing.
 */
import { Code } from "../core/codes/code.ts";
import { type Bytes, hex } from "../core/bytes.ts";
import type { Role } from "../core/keys/derivation.ts";
import { TransferFailure } from "../core/session/failure.ts";
import { Session, type SessionOwner } from "../core/session/session.ts";
import type { StoredOffer } from "../core/transfer/messages.ts";
import { savedName } from "../core/transfer/names.ts";
import { relayHints } from "../core/transit/hints.ts";
import { ByteTransfer, type Progress } from "./byte-transfer.ts";
import type { Content, PageMessage, Result, Servers, SinkChoice, WorkerMessage } from "./messages.ts";
import type { Platform, Sink } from "./platform.ts";
import { ServerConnection } from "./server-connection.ts";
import { type Source, makeSource } from "./source.ts";

const REASON_TIME = 2_000; // milliseconds for the reason of a peer whose connection has ended
const FAREWELL_TIME = 2_000; // milliseconds for the server to answer the last commands
const PROGRESS_TIME = 100; // milliseconds between two reports
const CLIENT_VERSION = ["wormhole-server-web", "1"] as const;

export class TransferWorker {
    readonly #platform: Platform;
    readonly #tell: (message: WorkerMessage) => void;
    #servers: Servers | null = null;
    #session: Session | null = null;
    #connection: ServerConnection | null = null;
    #source: Source | null = null;
    #offer: StoredOffer | null = null;
    #sink: Sink | null = null;
    #result: Result | null = null;
    #transfer: ByteTransfer | null = null;
    #accepted = false;
    #welcomed = false;
    #finished = false;

    constructor(platform: Platform, tell: (message: WorkerMessage) => void) {
        this.#platform = platform;
        this.#tell = tell;
    }

    /** Handle a message of the page. */
    handle(message: PageMessage): void {
        this.#guard(() => this.#handle(message));
    }

    /** Try at once to connect: the device is on a network again. */
    reconnect(): void {
        this.#guard(() => this.#connection?.connect());
    }

    #handle(message: PageMessage): void {
        switch (message.type) {
            case "connect":
                return this.#connect(message.servers, message.verify);
            case "list-nameplates":
                return this.#session?.listNameplates();
            case "send":
                return void this.#begin(message.content, typeof message.code === "string" ? parseCode(message.code) : message.code);
            case "receive":
                return this.#session?.begin({ role: "receiver", code: parseCode(message.code) });
            case "compared":
                return this.#session?.compared(message.same);
            case "accept":
                return void this.#accept(message.sink);
            case "reject":
                return this.#fail(new TransferFailure("declined"));
            case "cancel":
                return this.#fail(new TransferFailure("cancelled"));
        }
    }

    #connect(servers: Servers, verify: boolean): void {
        if (this.#session !== null) return;
        this.#servers = servers;
        const { random, day } = this.#platform;
        this.#session = new Session(hex(random(5)), {
            hints: relayHints(servers.relay, servers.publicRelay), verify, clientVersion: CLIENT_VERSION, random, day,
        }, this.#asSessionOwner());
        const session = this.#session;
        const guarded = (call: () => void): void => this.#guard(call);
        this.#connection = new ServerConnection(this.#platform, servers.rendezvous, {
            received: (text) => guarded(() => session.received(text)),
            connected: () => this.#tell({ type: "connection", state: "connected" }),
            lost: () => {
                guarded(() => session.lost());
                this.#tell({ type: "connection", state: "reconnecting" });
            },
            unreachable: () => guarded(() => {
                this.#fail(new TransferFailure("server-gone"));
                this.#finish();
            }),
        });
        this.#connection.connect();
    }

    #asSessionOwner(): SessionOwner {
        return {
            transmit: (text) => this.#connection?.send(text),
            welcome: (motd) => {
                if (!this.#welcomed) this.#tell({ type: "welcome", motd });
                this.#welcomed = true;
            },
            nameplates: (nameplates) => this.#tell({ type: "nameplates", nameplates }),
            state: (state) => this.#tell({ type: "state", state }),
            code: (code) => this.#tell({ type: "code", code }),
            peer: (verifier) => this.#tell({ type: "peer", verifier }),
            offer: (offer) => {
                this.#offer = offer;
                this.#tell({ type: "offer", offer: { ...offer, name: savedName(offer) } });
            },
            move: (key, role) => void this.#move(key, role),
            stop: () => {
                this.#transfer?.stop();
                if (this.#result === null) this.#sink?.discard().catch(() => undefined);
            },
            awaitReason: () => void this.#platform.later(REASON_TIME, () => this.#guard(() => this.#session?.reasonAwaited())),
            settled: () => void this.#platform.later(FAREWELL_TIME, () => this.#finish()),
            finished: () => this.#finish(),
        };
    }

    async #begin(content: Content, code: Code | { readonly words: string }): Promise<void> {
        try {
            const { offer } = (this.#source = await makeSource(content));
            this.#session?.begin({ role: "sender", offer, code });
        } catch (error) {
            this.#fail(asFailure(error));
        }
    }

    async #accept(choice: SinkChoice): Promise<void> {
        const offer = this.#offer;
        if (this.#session?.state !== "deciding" || offer === null || this.#accepted) return;
        this.#accepted = true;
        try {
            const sink = (this.#sink = await this.#platform.openSink(choice, savedName(offer), offer.size));
            if (this.#session.outcome !== null) await sink.discard();
            else this.#session.accept();
        } catch (error) {
            this.#fail(asFailure(error));
        }
    }

    async #move(key: Bytes, role: Role): Promise<void> {
        const [session, servers] = [this.#session, this.#servers];
        if (session === null || servers === null) return;
        const transfer = (this.#transfer = new ByteTransfer(this.#platform, servers.relay, key, role));
        try {
            await transfer.meet();
            session.moving();
            this.#result = role === "sender" ? await this.#send(transfer) : await this.#receive(transfer);
            session.moved();
        } catch (error) {
            this.#guard(() => session.transferFailed(asFailure(error)));
        }
    }

    async #send(transfer: ByteTransfer): Promise<Result> {
        const source = this.#source;
        if (source === null || source.offer.kind === "text") throw new Error("nothing to send");
        const { size } = source.offer;
        await transfer.send(source, size, this.#progress(size));
        return { kind: "sent" };
    }

    async #receive(transfer: ByteTransfer): Promise<Result> {
        if (this.#offer === null || this.#sink === null) throw new Error("nothing to receive");
        const { size } = this.#offer;
        return await transfer.receive(this.#sink, size, this.#progress(size));
    }

    #progress(total: number): Progress {
        let last = -PROGRESS_TIME;
        return (moved) => {
            const now = this.#platform.now();
            if (now - last < PROGRESS_TIME && moved < total) return;
            last = now;
            this.#tell({ type: "progress", moved, total });
        };
    }

    #fail(failure: TransferFailure): void {
        if (this.#session !== null) this.#session.fail(failure);
        else this.#finish(failure);
    }

    /** Report the end, once. @param failure the outcome, if there is no session that has one. */
    #finish(failure?: TransferFailure): void {
        const outcome = this.#session?.outcome ?? failure;
        if (this.#finished || outcome == null) return;
        this.#finished = true;
        this.#connection?.close();
        if (outcome instanceof TransferFailure) {
            this.#tell({ type: "failed", reason: outcome.reason, text: outcome.text });
        } else if (outcome.text !== null) {
            this.#tell({ type: "done", result: { kind: "text", text: outcome.text } });
        } else {
            this.#tell({ type: "done", result: this.#result ?? { kind: "sent" } });
        }
    }

    /** Make a fault of this client the end of the transfer, and not of the worker. */
    #guard(call: () => void): void {
        try {
            call();
        } catch (error) {
            const failure = asFailure(error);
            this.#fail(failure);
            this.#finish(failure);
        }
    }
}

function parseCode(text: string): Code {
    const code = Code.parse(text);
    if (code === null) throw new TransferFailure("internal", "not a code");
    return code;
}

function asFailure(error: unknown): TransferFailure {
    return error instanceof TransferFailure ? error : new TransferFailure("internal", String(error));
}
