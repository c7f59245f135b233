import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { hex, utf8 } from "../../../core/bytes.ts";
import { Sha256, sha256 } from "../../../core/keys/sha256.ts";

test("the examples of FIPS 180", () => {
    assert.equal(hex(sha256(utf8("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert.equal(hex(sha256(utf8("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert.equal(hex(sha256(utf8("a".repeat(1_000_000)))),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
});

test("pieces of any length, from any place, give what OpenSSL gives", () => {
    const pieces = fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(7)), { maxLength: 12 });
    fc.assert(fc.property(pieces, (all) => {
        const [hash, expected] = [new Sha256(), createHash("sha256")];
        for (const [bytes, from] of all) {
            hash.update(bytes.subarray(from));
            expected.update(bytes.subarray(from));
        }
        assert.equal(hex(hash.digest()), expected.digest("hex"));
    }));
});

test("every length up to some blocks gives what OpenSSL gives", () => {
    for (let length = 0; length < 200; length++) {
        const bytes = new Uint8Array(length).fill(0xff);
        assert.equal(hex(sha256(bytes)), createHash("sha256").update(bytes).digest("hex"));
    }
});
