import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, utf8 } from "../../../core/bytes.ts";
import { TransitKeys, otherRole } from "../../../core/keys/derivation.ts";
import { ByteQueue } from "../../../core/transit/byte-queue.ts";
import { Handshake } from "../../../core/transit/handshake.ts";
import { fromHex, vectors } from "../vectors.ts";

const keys = new TransitKeys(fromHex(vectors.key));
const roles = fc.constantFrom("sender" as const, "receiver" as const);

/** Feed bytes in pieces that end at the given places; return all that was written, and the rest. */
function feed(handshake: Handshake, bytes: Uint8Array, ends: readonly number[]): [Uint8Array, number] | null {
    const queue = new ByteQueue();
    let written = new Uint8Array(0);
    let at = 0;
    for (const end of [...new Set(ends)].sort((a, b) => a - b).concat(bytes.length)) {
        queue.push(bytes.subarray(at, end));
        at = end;
        const reply = handshake.feed(queue);
        if (reply === null) return null;
        written = concat(written, reply);
    }
    return [written, queue.length];
}

test("the relay is asked for the peer with the same token", () => {
    const request = new TextDecoder().decode(new Handshake(keys, "sender").request("0123456789abcdef"));
    assert.equal(request, `please relay ${vectors.transit.token} for side 0123456789abcdef\n`);
});

test("a good handshake passes, however it is split, and leaves the records", () => {
    fc.assert(fc.property(roles, fc.array(fc.nat(120)), fc.uint8Array(), (role, ends, records) => {
        const handshake = new Handshake(keys, role);
        const decision = utf8(role === "receiver" ? "go\n" : "");
        const theirs = concat(utf8("ok\n"), keys.handshake(otherRole(role)), decision, records);
        const fed = feed(handshake, theirs, ends.filter((end) => end < theirs.length));
        assert.equal(handshake.step, "passed");
        const expected = concat(keys.handshake(role), utf8(role === "sender" ? "go\n" : ""));
        assert.deepEqual(fed, [expected, records.length]);
    }));
});

test("one that is cut anywhere does not pass", () => {
    const theirs = concat(utf8("ok\n"), keys.handshake("sender"), utf8("go\n"));
    for (let cut = 0; cut < theirs.length; cut++) {
        const handshake = new Handshake(keys, "receiver");
        assert.notEqual(feed(handshake, theirs.subarray(0, cut), []), null);
        assert.notEqual(handshake.step, "passed");
    }
});

test("one that was changed anywhere is refused at that byte", () => {
    const theirs = concat(utf8("ok\n"), keys.handshake("sender"), utf8("go\n"));
    for (let index = 0; index < theirs.length; index++) {
        const changed = theirs.with(index, (theirs[index] ?? 0) ^ 1).subarray(0, index + 1);
        assert.equal(feed(new Handshake(keys, "receiver"), changed, []), null);
    }
});

test("a sender that uses another connection is left", () => {
    const theirs = concat(utf8("ok\n"), keys.handshake("sender"), utf8("nevermind\n"));
    assert.equal(feed(new Handshake(keys, "receiver"), theirs, []), null);
});
