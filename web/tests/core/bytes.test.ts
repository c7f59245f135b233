import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, encodeJson, equal, hex, normalised, parseHex, parseObject, utf8 } from "../../core/bytes.ts";

test("bytes become hex and back", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => {
        assert.equal(hex(bytes), Buffer.from(bytes).toString("hex"));
        assert.deepEqual(parseHex(hex(bytes).toUpperCase()), bytes);
    }));
});

test("what is not hex is refused", () => {
    for (const text of ["0", "0g", " 00", "0x00", "٠٠"]) assert.equal(parseHex(text), null, text);
});

test("a letter with its accent apart has the same bytes", () => {
    assert.deepEqual(normalised("e\u0301"), utf8("\u00e9"));
});

test("only objects are parsed, from UTF-8 only", () => {
    assert.deepEqual(parseObject(encodeJson({ a: [1] })), { a: [1] });
    for (const json of ["[]", "null", "1", "", "{", '"x"']) assert.equal(parseObject(utf8(json)), null, json);
    assert.equal(parseObject(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), null);
});

test("parts are joined, and compared", () => {
    fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (one, other) => {
        assert.deepEqual([...concat(one, other)], [...one, ...other]);
        assert.equal(equal(one, other), hex(one) === hex(other));
    }));
});
