import assert from "node:assert/strict";
import { test } from "node:test";
import { poly1305 as noble } from "@noble/ciphers/_poly1305.js";
import fc from "fast-check";
import { hex, utf8 } from "../../../core/bytes.ts";
import { poly1305 } from "../../../core/keys/poly1305.ts";
import { fromHex } from "../vectors.ts";

test("the example of RFC 8439", () => {
    const key = fromHex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
    assert.equal(hex(poly1305(utf8("Cryptographic Forum Research Group"), key)), "a8061dc1305136c6c22b8baf0c0127a9");
});

/** The numbers themselves, as RFC 8439 has them. */
function reference(bytes: Uint8Array, key: Uint8Array): string {
    const number = (part: Uint8Array): bigint => part.reduceRight((higher, byte) => (higher << 8n) | BigInt(byte), 0n);
    const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
    let sum = 0n;
    for (let at = 0; at < bytes.length; at += 16) {
        sum = ((sum + number(Uint8Array.of(...bytes.subarray(at, at + 16), 1))) * r) % (2n ** 130n - 5n);
    }
    const tag = (sum + number(key.subarray(16))) % 2n ** 128n;
    return hex(Uint8Array.from({ length: 16 }, (_, index) => Number((tag >> BigInt(8 * index)) & 255n)));
}

test("bytes of any length, from any place, give what their numbers give, and @noble/ciphers", () => {
    // Many bytes are the least and the largest, for what is just below and above the modulus.
    const byte = fc.oneof(fc.constantFrom(0, 1, 0xfa, 0xfb, 0xfc, 0xff), fc.nat(255));
    const bytes = fc.array(byte, { maxLength: 200 }).map((all) => Uint8Array.from(all));
    const key = fc.array(byte, { minLength: 32, maxLength: 32 }).map((all) => Uint8Array.from(all));
    fc.assert(fc.property(bytes, key, fc.nat(7), (all, secret, from) => {
        const part = all.subarray(from);
        const tag = hex(poly1305(part, secret));
        assert.equal(tag, reference(part, secret));
        assert.equal(tag, hex(noble(part, secret)));
    }), { numRuns: 2_000 });
});

test("numbers at the modulus, and the largest limbs for a long time", () => {
    const one = Uint8Array.of(1, ...new Uint8Array(31)); // the sum of the blocks, reduced
    const largest = new Uint8Array(32).fill(0xff);
    for (const low of [0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]) {
        const block = Uint8Array.of(low, ...new Uint8Array(15).fill(0xff));
        for (const blocks of [1, 2, 3, 4]) {
            const bytes = Uint8Array.from({ length: 16 * blocks }, (_, index) => block[index % 16]!);
            for (const key of [one, largest]) assert.equal(hex(poly1305(bytes, key)), reference(bytes, key));
        }
    }
    const long = new Uint8Array(2 ** 20).fill(0xff);
    assert.equal(hex(poly1305(long, largest)), hex(noble(long, largest)));
});
