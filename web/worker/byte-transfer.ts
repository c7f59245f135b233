/** The bytes of one transfer: the way to the peer, the records, and the acknowledgement at their end. */
import { type Bytes, hex } from "../core/bytes.ts";
import { type Role, TransitKeys, otherRole } from "../core/keys/derivation.ts";
import { Sha256 } from "../core/keys/sha256.ts";
import { TransferFailure } from "../core/session/failure.ts";
import { encodeAcknowledgement, readAcknowledgement } from "../core/transfer/messages.ts";
import { ByteQueue } from "../core/transit/byte-queue.ts";
import { Handshake } from "../core/transit/handshake.ts";
import { RecordOpener, RecordSealer } from "../core/transit/records.ts";
import type { Result } from "./messages.ts";
import { type Platform, type Sink, sleep } from "./platform.ts";
import { RelayStream } from "./relay-stream.ts";
import type { Source } from "./source.ts";

const RECORD = 64 * 2 ** 10; // bytes of a file in a record
const BLOCK = 256 * 2 ** 10; // bytes that a sink is given at a time: other clients' records are as small as 16 KiB
const MEETING_TIME = 60_000; // milliseconds in which the two ends meet on the relay
const ATTEMPT_DELAY = 1_000; // milliseconds between attempts to connect
const CONFIRMATION_TIME = 120_000; // milliseconds for the receiver, and those that follow for what it has to do
const SLOWEST_LINK = 16; // bytes a millisecond, for what is still on its way
const IN_FLIGHT = 16 * 2 ** 20; // bytes that browsers, kernels and relays may hold
const SLOWEST_DISK = 2 ** 10; // bytes a millisecond, for a directory that is unpacked
const FAREWELL_TIME = 10_000; // milliseconds for the sender to read the acknowledgement and close

/** Is called with how many bytes have moved. */
export type Progress = (moved: number) => void;

export class ByteTransfer {
    readonly #platform: Platform;
    readonly #url: string;
    readonly #keys: TransitKeys;
    readonly #role: Role;
    readonly #sealer: RecordSealer;
    readonly #opener: RecordOpener;
    #stream: RelayStream | null = null;
    #stopped = false;

    constructor(platform: Platform, url: string, key: Bytes, role: Role) {
        this.#platform = platform;
        this.#url = url;
        this.#keys = new TransitKeys(key);
        this.#role = role;
        this.#sealer = new RecordSealer(this.#keys.records(role));
        this.#opener = new RecordOpener(this.#keys.records(otherRole(role)));
    }

    /** Stop, wherever it is; what runs fails. */
    stop(): void {
        this.#stopped = true;
        this.#stream?.close();
    }

    /** Meet the peer on the relay. @throws TransferFailure it did not come, or the relay cannot be reached. */
    async meet(): Promise<void> {
        let late = false;
        const cancel = this.#platform.later(MEETING_TIME, () => {
            late = true;
            this.#stream?.close();
        });
        let reason = new TransferFailure("relay-lost", "the other end has not come");
        try {
            while (!late && !this.#stopped) {
                try {
                    const stream = await RelayStream.open(this.#platform, this.#url, (opened) => (this.#stream = opened));
                    return await this.#shakeHands(stream);
                } catch (error) {
                    if (!(error instanceof TransferFailure)) throw error;
                    if (!late && error.reason === "relay-lost") reason = error;
                    await sleep(this.#platform, ATTEMPT_DELAY);
                }
            }
            throw reason;
        } finally {
            cancel();
        }
    }

    async #shakeHands(stream: RelayStream): Promise<void> {
        const handshake = new Handshake(this.#keys, this.#role);
        stream.write(handshake.request(hex(this.#platform.random(8))));
        while (handshake.step !== "passed") {
            await stream.more();
            const before = handshake.step;
            const reply = handshake.feed(stream.arrived);
            if (reply === null) {
                stream.close();
                throw new TransferFailure("relay-lost", "the relay joined two strangers");
            }
            if (before === "relay" && handshake.step !== "relay") stream.grantFirst();
            if (reply.length > 0) stream.write(reply);
        }
    }

    /** Send all bytes of a source; resolves when the receiver has confirmed that it has them. */
    async send(source: Source, size: number, progress: Progress): Promise<void> {
        const stream = this.#connected();
        const hash = new Sha256();
        let moved = 0;
        for await (const block of source.blocks()) {
            moved += block.length;
            if (moved > size) throw new TransferFailure("file-unreadable");
            hash.update(block);
            for (let at = 0; at < block.length; at += RECORD) {
                stream.write(this.#sealer.seal(block.subarray(at, at + RECORD)));
            }
            await stream.drained();
            progress(Math.max(0, moved - stream.unsent));
        }
        if (moved < size) throw new TransferFailure("file-unreadable");
        if (size === 0) stream.write(this.#sealer.seal(new Uint8Array(0))); // wormhole-william waits for a record
        const patience = CONFIRMATION_TIME + Math.min(size, IN_FLIGHT) / SLOWEST_LINK + size / SLOWEST_DISK;
        const answer = readAcknowledgement(await this.#nextRecord(patience), hex(hash.digest()));
        if (answer === "differs") throw new TransferFailure("hash-differs");
        if (answer !== "ok") throw new TransferFailure("not-understood", "the acknowledgement");
        progress(size);
    }

    /** Receive so many bytes into a sink, and confirm them; resolves when the sender has read that. */
    async receive(sink: Sink, size: number, progress: Progress): Promise<Result> {
        const stream = this.#connected();
        const hash = new Sha256();
        const gathered = new ByteQueue();
        for (let moved = 0; moved < size; ) {
            const record = await this.#nextRecord();
            moved += record.length;
            if (moved > size) throw new TransferFailure("not-understood", "more than was offered");
            gathered.push(record);
            const { length } = gathered;
            if (length >= BLOCK || moved === size) {
                const block = gathered.take(length) as Bytes; // not null: all there is
                hash.update(block);
                await sink.write(block);
                stream.took(length);
            }
            progress(moved);
        }
        const result = await sink.finish();
        stream.write(this.#sealer.seal(encodeAcknowledgement(hex(hash.digest()))));
        await stream.ended(FAREWELL_TIME);
        return result;
    }

    async #nextRecord(patience?: number): Promise<Uint8Array> {
        const stream = this.#connected();
        for (;;) {
            const record = this.#opener.open(stream.arrived);
            if (record === null) throw new TransferFailure("not-understood", "a changed record");
            if (record !== "incomplete") return record;
            await stream.more(patience);
        }
    }

    #connected(): RelayStream {
        if (this.#stream === null) throw new Error("not connected");
        return this.#stream;
    }
}
