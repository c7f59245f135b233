import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chooseWords, withoutCapitals, wordsAt } from "../../../core/codes/choice.ts";
import { Code } from "../../../core/codes/code.ts";

test("capitals of listed words are the keyboard's, those of other words are meant", () => {
    assert.equal(withoutCapitals("Bravado-WAFFLE"), "bravado-waffle");
    assert.equal(withoutCapitals("Bravado-Mine"), "Bravado-Mine");
});

test("the first word after the nameplate has three syllables", () => {
    assert.equal(chooseWords(() => Uint8Array.of(0, 255)), "adroitness-zulu");
});

test("every chosen code is parsed to itself", () => {
    fc.assert(fc.property(fc.nat(), fc.uint8Array({ minLength: 2, maxLength: 2 }), (nameplate, bytes) => {
        const words = chooseWords(() => bytes);
        assert.deepEqual(Code.parse(`${nameplate}-${words}`), new Code(String(nameplate), words));
    }));
});

test("each position has 256 different words", () => {
    for (const position of [0, 1]) assert.equal(new Set(wordsAt(position)).size, 256);
});
