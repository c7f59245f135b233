/**
 * The connection to the rendezvous server, made again whenever it is lost.
 *
 * Knows nothing of what is said on it, except that a server that says nothing at all is asked whether it is
 * still there: a browser does not notice when a phone changes its network.
 */
import type { Platform, Socket } from "./platform.ts";

const FIRST_DELAY = 1_000; // milliseconds before the next attempt
const GROWTH = 1.5;
const LONGEST_DELAY = 60_000;
const FIRST_ATTEMPTS = 3; // then the server is unreachable; after it was reached once there is no limit
const ATTEMPT_TIME = 20_000; // for a connection and its welcome
const QUIET_TIME = 30_000; // then the server is asked, and has as long to answer

export interface ConnectionOwner {
    /** Handle a message of the server. */
    received(text: string): void;
    /** Handle that there is a connection: the server has sent its first message on it. */
    connected(): void;
    /** Handle that it is lost, and is made again. */
    lost(): void;
    /** Handle that there never was one. Nothing else follows. */
    unreachable(): void;
}

export class ServerConnection {
    readonly #platform: Platform;
    readonly #url: string;
    readonly #owner: ConnectionOwner;
    #socket: Socket | null = null;
    #connected = false;
    #everConnected = false;
    #closed = false;
    #attempts = 0;
    #delay = FIRST_DELAY;
    #cancelTimer: () => void = () => undefined;

    constructor(platform: Platform, url: string, owner: ConnectionOwner) {
        this.#platform = platform;
        this.#url = url;
        this.#owner = owner;
    }

    /** Connect, or do it now that was to be done later. */
    connect(): void {
        if (this.#closed || this.#socket !== null) return;
        this.#attempts += 1;
        this.#setTimer(ATTEMPT_TIME, () => this.#lose());
        const socket = this.#platform.openSocket(this.#url, []);
        this.#socket = socket;
        socket.onmessage = ({ data }) => this.#received(String(data));
        socket.onclose = () => this.#lose();
    }

    /** Send a message, unless the connection is lost. */
    send(text: string): void {
        if (this.#connected) this.#socket?.send(text);
    }

    close(): void {
        this.#closed = true;
        this.#cancelTimer();
        this.#forget();
    }

    #received(text: string): void {
        this.#setTimer(QUIET_TIME, () => this.#ask());
        if (!this.#connected) {
            this.#connected = this.#everConnected = true;
            this.#delay = FIRST_DELAY;
            this.#owner.connected();
        }
        this.#owner.received(text);
    }

    #ask(): void {
        this.send(JSON.stringify({ type: "ping", ping: 0 }));
        this.#setTimer(QUIET_TIME, () => this.#lose());
    }

    #lose(): void {
        this.#cancelTimer();
        this.#forget();
        if (!this.#everConnected && this.#attempts >= FIRST_ATTEMPTS) {
            this.#closed = true;
            return this.#owner.unreachable();
        }
        const [chance] = this.#platform.random(1);
        this.#setTimer(this.#delay * (1 + (chance ?? 0) / 256) / 2, () => this.connect());
        this.#delay = Math.min(this.#delay * GROWTH, LONGEST_DELAY);
        this.#owner.lost();
    }

    #forget(): void {
        const socket = this.#socket;
        this.#socket = null;
        this.#connected = false;
        if (socket === null) return;
        socket.onmessage = socket.onclose = null;
        socket.close();
    }

    #setTimer(milliseconds: number, call: () => void): void {
        this.#cancelTimer();
        this.#cancelTimer = this.#platform.later(milliseconds, call);
    }
}
