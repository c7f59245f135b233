import assert from "node:assert/strict";
import { test } from "node:test";
import { relayHints } from "../../../core/transit/hints.ts";

test("the relay's TCP address is offered beside its URL", () => {
    assert.deepEqual(relayHints("wss://h/transit", { hostname: "h", port: 4001 }), [{ type: "relay-v1", hints: [
        { type: "direct-tcp-v1", hostname: "h", port: 4001, priority: 0 },
        { type: "websocket-v1", url: "wss://h/transit", priority: 0 },
    ] }]);
});

test("without one the URL is offered alone", () => {
    assert.deepEqual(relayHints("ws://h/transit", null)[0]?.hints.map((hint) => hint.type), ["websocket-v1"]);
});
