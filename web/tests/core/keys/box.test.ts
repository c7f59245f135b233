import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hex } from "../../../core/bytes.ts";
import { openBox, sealBox } from "../../../core/keys/box.ts";
import { fromHex, vectors } from "../vectors.ts";

const key = fromHex(vectors.key);
const counting = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, index) => index);

test("a box is NaCl's", () => {
    for (const { plaintext, box } of vectors.boxes) {
        assert.equal(hex(sealBox(key, fromHex(plaintext), counting)), box);
        const opened = openBox(key, fromHex(box));
        assert.equal(opened && hex(opened), plaintext);
    }
});

test("a box that was changed anywhere, or cut, does not open", () => {
    const box = sealBox(key, Uint8Array.of(1, 2, 3), counting);
    fc.assert(fc.property(fc.nat(box.length - 1), fc.integer({ min: 1, max: 255 }), (index, change) => {
        const changed = box.with(index, (box[index] ?? 0) ^ change);
        assert.equal(openBox(key, changed), null);
        assert.equal(openBox(key, box.subarray(0, index)), null);
    }));
});

test("a box does not open with another key", () => {
    assert.equal(openBox(key.with(0, 1), sealBox(key, Uint8Array.of(1), counting)), null);
});
