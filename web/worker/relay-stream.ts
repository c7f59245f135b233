/**
 * The connection to the transit relay as a stream of bytes, with flow control both ways.
 *
 * The relay sends what was granted and no more: browsers read a WebSocket faster than a disk writes. What
 * this end writes is held up while the browser has not sent what was written before.
 */
import { type Bytes, utf8 } from "../core/bytes.ts";
import { TransferFailure } from "../core/session/failure.ts";
import { ByteQueue } from "../core/transit/byte-queue.ts";
import { type Platform, type Socket, sleep } from "./platform.ts";

const PROTOCOL = "wormhole-transit-credit.v1";
const CREDIT = 4 * 2 ** 20; // bytes that may be on their way; covers 100 MB/s over 40 ms
const GRANT = 2 ** 20; // bytes that are granted at a time
const HIGH_WATER = 4 * 2 ** 20; // bytes that the browser may hold unsent
const POLL = 4; // milliseconds between looks at what the browser holds; it has no event for that
const IDLE_TIME = 120_000; // milliseconds without a byte; networks that come back have come back by then
const NORMAL_CLOSURE = 1000; // the relay's, when the other end has left

export class RelayStream {
    /** What has arrived and was not taken yet. */
    readonly arrived = new ByteQueue();
    readonly #platform: Platform;
    readonly #socket: Socket;
    #ended: TransferFailure | null = null;
    #wake: () => void = () => undefined;
    #taken = 0; // bytes that were not granted again

    private constructor(platform: Platform, url: string) {
        this.#platform = platform;
        this.#socket = platform.openSocket(url, [PROTOCOL]);
        this.#socket.binaryType = "arraybuffer";
        this.#socket.onmessage = ({ data }) => {
            this.arrived.push(data instanceof ArrayBuffer ? new Uint8Array(data) : utf8(String(data)));
            this.#wake();
        };
        this.#socket.onclose = ({ code, reason }) => {
            this.#end(code === NORMAL_CLOSURE ? new TransferFailure("peer-gone") : new TransferFailure("relay-lost", reason || null));
        };
    }

    /** @throws TransferFailure the relay cannot be reached. */
    static async open(platform: Platform, url: string, opened: (stream: RelayStream) => void): Promise<RelayStream> {
        const stream = new RelayStream(platform, url);
        opened(stream);
        let open = false;
        stream.#socket.onopen = () => {
            open = true;
            stream.#wake();
        };
        while (!open) await stream.#change(IDLE_TIME);
        return stream;
    }

    /** Grant the first bytes; after the relay's `ok`. */
    grantFirst(): void {
        this.#socket.send(String(CREDIT));
    }

    /** Report that so many bytes have gone where they belong, so that as many may come. */
    took(size: number): void {
        this.#taken += size;
        if (this.#taken < GRANT || this.#ended !== null) return;
        this.#socket.send(String(this.#taken));
        this.#taken = 0;
    }

    /** How many bytes that were written have not left. */
    get unsent(): number {
        return this.#socket.bufferedAmount;
    }

    /** Wait until more bytes have arrived. @throws TransferFailure no more will, or not in so many milliseconds. */
    async more(patience = IDLE_TIME): Promise<void> {
        const before = this.arrived.length;
        while (this.arrived.length === before) await this.#change(patience);
    }

    /** @throws TransferFailure it has ended. */
    write(bytes: Bytes): void {
        if (this.#ended !== null) throw this.#ended;
        this.#socket.send(bytes);
    }

    /** Wait until more may be written. @throws TransferFailure it has ended, or nothing moves. */
    async drained(): Promise<void> {
        let least = this.#socket.bufferedAmount;
        let since = this.#platform.now();
        while (this.#socket.bufferedAmount > HIGH_WATER) {
            if (this.#ended !== null) throw this.#ended;
            await sleep(this.#platform, POLL);
            if (this.#socket.bufferedAmount < least) {
                least = this.#socket.bufferedAmount;
                since = this.#platform.now();
            }
            if (this.#platform.now() - since > IDLE_TIME) throw stalled(IDLE_TIME);
        }
    }

    /** Wait for the other end to close, but no longer than so many milliseconds. */
    async ended(milliseconds: number): Promise<void> {
        await Promise.race([
            sleep(this.#platform, milliseconds),
            (async () => {
                while (this.#ended === null) await new Promise<void>((resolve) => (this.#wake = resolve));
            })(),
        ]);
    }

    /** Close it; what was written still leaves. */
    close(): void {
        this.#end(new TransferFailure("cancelled"));
        this.#socket.close();
    }

    #end(reason: TransferFailure): void {
        this.#ended ??= reason;
        this.#wake();
    }

    /** Wait for whatever happens next. */
    async #change(patience: number): Promise<void> {
        if (this.#ended !== null) throw this.#ended;
        await new Promise<void>((resolve, reject) => {
            const cancel = this.#platform.later(patience, () => reject(stalled(patience)));
            this.#wake = () => {
                cancel();
                resolve();
            };
        });
    }
}

function stalled(milliseconds: number): TransferFailure {
    return new TransferFailure("peer-gone", `nothing has moved for ${Math.round(milliseconds / 1000)} seconds`);
}
