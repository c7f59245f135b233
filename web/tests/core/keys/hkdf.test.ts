import assert from "node:assert/strict";
import { hkdfSync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { hex } from "../../../core/bytes.ts";
import { hkdf } from "../../../core/keys/hkdf.ts";

test("test case 3 of RFC 5869, which has neither salt nor info", () => {
    assert.equal(hex(hkdf(new Uint8Array(22).fill(0x0b), new Uint8Array(0), 42)),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
});

test("keys and purposes of any length give what OpenSSL gives", () => {
    const bytes = fc.uint8Array({ maxLength: 150 });
    fc.assert(fc.property(bytes, bytes, fc.integer({ min: 1, max: 200 }), (key, purpose, length) => {
        const expected = Buffer.from(hkdfSync("sha256", key, "", purpose, length)).toString("hex");
        assert.equal(hex(hkdf(key, purpose, length)), expected);
    }));
});
