import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseServerMessage } from "../../../core/rendezvous/server-messages.ts";

const parse = (value: unknown): unknown => parseServerMessage(JSON.stringify(value));

test("the messages of the protocol are parsed, whatever else they carry", () => {
    const known = [
        { type: "welcome", welcome: { motd: "x" } }, { type: "allocated", nameplate: "4" },
        { type: "claimed", mailbox: "m" }, { type: "released" }, { type: "closed" }, { type: "error", error: "crowded" },
    ];
    for (const message of known) assert.deepEqual(parse({ ...message, server_tx: 1.5, id: null }), message);
    assert.deepEqual(parse({ type: "nameplates", nameplates: [{ id: "4" }, {}, { id: 5 }] }),
        { type: "nameplates", nameplates: ["4"] });
    assert.deepEqual(parse({ type: "message", side: "s", phase: "0", body: "00fF" }),
        { type: "message", side: "s", phase: "0", body: Uint8Array.of(0, 255) });
});

test("types without a use here are ignored", () => {
    for (const type of ["ack", "pong", "later"]) assert.equal(parse({ type }), "unknown");
});

test("what is not of the protocol is refused", () => {
    const bad = [null, 1, [], {}, { type: 1 }, { type: "welcome", welcome: [] }, { type: "allocated", nameplate: 4 },
        { type: "claimed" }, { type: "nameplates", nameplates: {} }, { type: "error" },
        { type: "message", side: "s", phase: "0", body: "0g" }, { type: "message", side: "s", body: "00" }];
    for (const message of bad) assert.equal(parse(message), null, JSON.stringify(message));
    assert.equal(parseServerMessage("{"), null);
});

test("whatever the server sends, it is parsed or refused", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseServerMessage(text)));
    const type = fc.constantFrom("welcome", "nameplates", "allocated", "claimed", "message", "error");
    fc.assert(fc.property(type, fc.dictionary(fc.string(), fc.jsonValue()), (each, rest) => void parse({ ...rest, type: each })));
});
