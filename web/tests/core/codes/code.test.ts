import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "../../../core/codes/code.ts";

test("a code has a nameplate and words", () => {
    const code = Code.parse("12-bravado-waffle");
    assert.equal(code?.nameplate, "12");
    assert.equal(code?.words, "bravado-waffle");
    assert.equal(code?.toString(), "12-bravado-waffle");
});

test("what is no code is refused", () => {
    const texts = ["", "4", "4-", "-a", "a-b", "4 -a", "4-a b", "４-a", `${"1".repeat(41)}-a`, "4-a\u00a0b"];
    for (const text of texts) assert.equal(Code.parse(text), null, text);
});

test("the only code without words is that of wormhole -0", () => {
    assert.equal(Code.parse("0-")?.toString(), "0-");
});
