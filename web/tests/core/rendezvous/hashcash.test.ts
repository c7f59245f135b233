import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { leadingZeros, mintStamp, readPermission } from "../../../core/rendezvous/hashcash.ts";
import { always } from "../vectors.ts";

test("a stamp has as many zero bits as were asked for", () => {
    for (const bits of [0, 1, 7, 8, 13]) {
        const stamp = mintStamp({ bits, resource: "res" }, "261126", always(7));
        assert.match(stamp, new RegExp(`^1:${bits}:261126:res::[0-9a-f]{16}:[0-9a-f]+$`, "u"));
        assert.ok(leadingZeros(createHash("sha1").update(stamp).digest()) >= bits);
    }
});

test("zero bits are counted over bytes", () => {
    const counted = [[0x80], [0x01], [0, 0x40], [0, 0], []].map((bytes) => leadingZeros(Uint8Array.from(bytes)));
    assert.deepEqual(counted, [0, 7, 9, 16, 0]);
});

test("a server that takes a plain bind gets one", () => {
    const both = { none: {}, hashcash: { bits: 20, resource: "r" } };
    for (const required of [undefined, {}, { none: {} }, both, "x"]) {
        assert.equal(readPermission({ "permission-required": required }), "none");
    }
});

test("hashcash is minted where nothing else is taken, unless it takes too long", () => {
    const read = (required: object): unknown => readPermission({ "permission-required": required });
    assert.deepEqual(read({ hashcash: { bits: 20, resource: "r" } }), { bits: 20, resource: "r" });
    for (const bad of [{ hashcash: { bits: 27, resource: "r" } }, { hashcash: {} }, { other: {} },
        { hashcash: { bits: "20", resource: "r" } }, { hashcash: { bits: 1.5, resource: "r" } }]) {
        assert.equal(read(bad), null);
    }
});
