import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../../core/bytes.ts";
import { TransitKeys, otherRole, phaseKey, verifier } from "../../../core/keys/derivation.ts";
import { fromHex, vectors } from "../vectors.ts";

const key = fromHex(vectors.key);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("each message has the key of its sender and phase", () => {
    for (const { side, phase, key: expected } of vectors.phases) {
        assert.equal(hex(phaseKey(key, side, phase)), expected);
    }
});

test("the verifier is that of other clients", () => {
    assert.equal(verifier(key), vectors.verifier);
});

test("the keys of a transit connection are those of other clients", () => {
    const keys = new TransitKeys(key);
    const roles = ["sender", "receiver"] as const;
    assert.equal(keys.relayToken(), vectors.transit.token);
    assert.deepEqual(roles.map((role) => text(keys.handshake(role))), vectors.transit.handshakes);
    assert.deepEqual(roles.map((role) => hex(keys.records(role))), vectors.transit.records);
});

test("the other end has the other role", () => {
    assert.deepEqual([otherRole("sender"), otherRole("receiver")], ["receiver", "sender"]);
});
