import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../../core/bytes.ts";
import { APPID } from "../../../core/keys/derivation.ts";
import { KeyExchange } from "../../../core/keys/key-exchange.ts";
import { always, fromHex, vectors } from "../vectors.ts";

const P = 2n ** 255n - 19n;

/** A message with this element: y, little-endian, with the sign of x in the highest bit. */
function withElement(y: bigint, sign = 0): Uint8Array {
    const encoded = y | (BigInt(sign) << 255n);
    const bytes = Uint8Array.from({ length: 32 }, (_, index) => Number((encoded >> BigInt(8 * index)) & 255n));
    return Uint8Array.of(0x53, ...bytes);
}

const end = (code = "4-bravado-waffle"): KeyExchange => new KeyExchange(code, APPID, always(1, 2, 3));

test("both ends have the messages and the key of spake2", () => {
    for (const { code, secrets, messages, key } of vectors.exchanges) {
        for (const [index, secret] of secrets.entries()) {
            const exchange = new KeyExchange(code, APPID, () => fromHex(secret));
            assert.equal(hex(exchange.message), messages[index]);
            const found = exchange.finish(fromHex(messages[1 - index] ?? ""));
            assert.equal(found && hex(found), key);
        }
    }
});

test("ends with different codes have different keys", () => {
    const [one, other] = [end(), new KeyExchange("4-bravado-zulu", APPID, always(7))];
    assert.notDeepEqual(one.finish(other.message), other.finish(one.message));
});

test("a message of another form is refused", () => {
    const good = new KeyExchange("x", APPID, always(9)).message;
    const asSideA = Uint8Array.of(0x41, ...good.subarray(1));
    for (const message of [new Uint8Array(0), good.subarray(0, 32), Uint8Array.of(...good, 0), asSideA]) {
        assert.equal(end().finish(message), null);
    }
});

test("an end's own message is refused", () => {
    assert.equal(end().finish(end().message), null);
});

test("an element outside the group is refused", () => {
    const low = 2707385501144840649318225287225658788936804267575313519463743609750303021022n; // order 8
    const elements = { neutral: 1n, "order 2": P - 1n, "order 4": 0n, "order 8": low, "not on the curve": 2n };
    for (const [name, y] of Object.entries(elements)) {
        for (const sign of [0, 1]) assert.equal(end().finish(withElement(y, sign)), null, name);
    }
});

test("an element of the group with a small part added is refused", () => {
    // The base point plus the point of order 2 is (-x, -y).
    const baseY = 46316835694926478169428394003475163141307993866256225615783033603165251855960n;
    assert.equal(end().finish(withElement(P - baseY)), null);
    assert.notEqual(end().finish(withElement(baseY)), null);
});

test("an element in a longer form than the shortest is refused", () => {
    for (let y = 0n; y < 19n; y++) assert.equal(end().finish(withElement(P + y)), null);
});
