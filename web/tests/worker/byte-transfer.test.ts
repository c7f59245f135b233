import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, concat, hex, utf8 } from "../../core/bytes.ts";
import { TransitKeys } from "../../core/keys/derivation.ts";
import { sha256 } from "../../core/keys/sha256.ts";
import { ByteQueue } from "../../core/transit/byte-queue.ts";
import { RecordOpener, RecordSealer } from "../../core/transit/records.ts";
import { ByteTransfer } from "../../worker/byte-transfer.ts";
import type { Sink } from "../../worker/platform.ts";
import { FakePlatform, settled } from "./fakes.ts";

const KIB = 2 ** 10;
const RECORD = 16 * KIB; // the Python client's
const key = new Uint8Array(32).fill(7);
const keys = new TransitKeys(key);

/** A receiver that has met its sender. */
async function met(): Promise<{ platform: FakePlatform; transfer: ByteTransfer }> {
    const platform = new FakePlatform();
    const transfer = new ByteTransfer(platform, "ws://h/transit", key, "receiver");
    const meeting = transfer.meet();
    platform.socket.onopen?.(null);
    await settled();
    platform.socket.receive(concat(utf8("ok\n"), keys.handshake("sender"), utf8("go\n")));
    await meeting;
    platform.socket.sent.length = 0;
    return { platform, transfer };
}

test("small records reach the sink in large blocks, all of them, and their hash is confirmed", async () => {
    const { platform, transfer } = await met();
    const content = Uint8Array.from({ length: 600 * KIB + 5 }, (_, index) => index % 251);
    const written: Bytes[] = [];
    const sink: Sink = {
        write: async (bytes) => void written.push(structuredClone(bytes, { transfer: [bytes.buffer] })),
        finish: async () => ({ kind: "saved", name: "a" }),
        discard: async () => undefined,
    };
    const moved: number[] = [];
    const receiving = transfer.receive(sink, content.length, (bytes) => moved.push(bytes));
    const sealer = new RecordSealer(keys.records("sender"));
    for (let at = 0; at < content.length; at += RECORD) {
        platform.socket.receive(sealer.seal(content.subarray(at, at + RECORD)));
        await settled();
    }
    platform.socket.lose(1000);
    assert.deepEqual(await receiving, { kind: "saved", name: "a" });
    assert.deepEqual(written.map(({ length }) => length), [256 * KIB, 256 * KIB, 88 * KIB + 5]);
    assert.deepEqual(concat(...written), content);
    assert.equal(moved.length, Math.ceil(content.length / RECORD));
    const arrived = new ByteQueue();
    arrived.push(platform.socket.sent[0] as Bytes);
    const acknowledgement = new RecordOpener(keys.records("receiver")).open(arrived);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(acknowledgement as Bytes)), { ack: "ok", sha256: hex(sha256(content)) });
});
