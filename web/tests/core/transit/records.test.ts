import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, hex } from "../../../core/bytes.ts";
import { ByteQueue } from "../../../core/transit/byte-queue.ts";
import { RecordOpener, RecordSealer } from "../../../core/transit/records.ts";
import { fromHex, vectors } from "../vectors.ts";

const key = fromHex(vectors.key);

/** Feed a stream in pieces of a size; return the plaintexts in hex, up to the end or a fault. */
function open(stream: Uint8Array, size: number): { opened: string[]; fault: boolean } {
    const [opener, queue, opened] = [new RecordOpener(key), new ByteQueue(), [] as string[]];
    for (let at = 0; at < stream.length; at += size) {
        queue.push(stream.subarray(at, at + size));
        for (;;) {
            const record = opener.open(queue);
            if (record === null) return { opened, fault: true };
            if (record === "incomplete") break;
            opened.push(hex(record));
        }
    }
    return { opened, fault: false };
}

test("records are those of other clients", () => {
    const sealer = new RecordSealer(key);
    for (const { plaintext, record } of vectors.records) assert.equal(hex(sealer.seal(fromHex(plaintext))), record);
});

test("records open in every split", () => {
    const stream = concat(...vectors.records.map(({ record }) => fromHex(record)));
    const expected = { opened: vectors.records.map(({ plaintext }) => plaintext), fault: false };
    for (let size = 1; size <= stream.length; size++) assert.deepEqual(open(stream, size), expected);
});

test("a record that was changed, dropped, repeated or reordered is a fault", () => {
    const records = vectors.records.map(({ record }) => fromHex(record));
    const [a, b] = records as [Uint8Array, Uint8Array];
    for (const stream of [[b], [a, a], [b, a]]) assert.equal(open(concat(...stream), 7).fault, true);
    fc.assert(fc.property(fc.integer({ min: 4, max: a.length - 1 }), (index) => {
        assert.equal(open(a.with(index, (a[index] ?? 0) ^ 1), 1000).fault, true);
    }));
});

test("a record without a box, or larger than any client's, is a fault before it has come", () => {
    for (const length of [0, 39, 2 ** 24 + 1, 2 ** 32 - 1]) {
        const head = new Uint8Array(4);
        new DataView(head.buffer).setUint32(0, length);
        assert.equal(open(head, 4).fault, true);
    }
});
