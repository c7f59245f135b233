import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteQueue } from "../../../core/transit/byte-queue.ts";

test("bytes leave as they came, whatever the pieces", () => {
    const step = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.nat(30));
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = new ByteQueue();
        let model: number[] = [];
        for (const each of steps) {
            if (typeof each !== "number") {
                queue.push(each);
                model.push(...each);
            } else if (each > model.length) {
                assert.equal(queue.peek(each), null);
                assert.equal(queue.take(each), null);
            } else {
                assert.deepEqual([...(queue.peek(each) ?? [])], model.slice(0, each));
                assert.deepEqual([...(queue.take(each) ?? [])], model.slice(0, each));
                model = model.slice(each);
            }
            assert.equal(queue.length, model.length);
        }
    }));
});
