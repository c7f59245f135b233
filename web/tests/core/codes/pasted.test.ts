import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parsePasted } from "../../../core/codes/pasted.ts";

function found(text: string): [string, string | null] | null {
    const pasted = parsePasted(text);
    return pasted && [pasted.code.toString(), pasted.host];
}

test("a code is understood, with whatever a chat puts around it", () => {
    for (const text of ["4-bravado-waffle", "  4-bravado-waffle\n", "“4-bravado-waffle”.", "4 bravado waffle", "4-Bravado-waffle"]) {
        assert.deepEqual(found(text), ["4-bravado-waffle", null], text);
    }
});

test("a link has the code in its fragment", () => {
    assert.deepEqual(found("https://Wormhole.example:8443/page?x=1#4-bravado-waffle"),
        ["4-bravado-waffle", "wormhole.example:8443"]);
    assert.deepEqual(found("https://wormhole.example/#4-b%C3%A4r"), ["4-bär", "wormhole.example"]);
    assert.equal(found("https://wormhole.example/4-bravado-waffle"), null);
});

test("a wormhole-transfer URI may name its server", () => {
    assert.deepEqual(found("wormhole-transfer:4-bravado-waffle"), ["4-bravado-waffle", null]);
    assert.deepEqual(
        found("wormhole-transfer:4-bravado-waffle?version=0&rendezvous=ws%3A%2F%2Fr.example%3A4000%2Fv1&role=leader"),
        ["4-bravado-waffle", "r.example:4000"]);
});

test("a whole command is understood", () => {
    assert.deepEqual(found("$ wormhole --relay-url=wss://r.example/v1 receive 4-bravado-waffle"),
        ["4-bravado-waffle", "r.example"]);
    assert.deepEqual(found("wormhole --relay-url ws://r.example:4000/v1 rx --code=4-bravado-waffle"),
        ["4-bravado-waffle", "r.example:4000"]);
    assert.deepEqual(found("Wormhole code is: 4-bravado-waffle\n\nwormhole receive 4-bravado-waffle\n"),
        ["4-bravado-waffle", null]);
});

test("two codes are one too many, and none is none", () => {
    for (const text of ["4-bravado-waffle 5-bravado-waffle", "hello", "", "https://x.example/#%"]) {
        assert.equal(found(text), null, text);
    }
});

test("whatever is pasted, it is a code or null", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parsePasted(text)));
});

test("a code is found in every link to it", () => {
    const word = fc.stringMatching(/^[^\s-]+$/u);
    fc.assert(fc.property(fc.nat(), word, (nameplate, words) => {
        const code = `${nameplate}-${words}`;
        const pasted = parsePasted(`https://wormhole.example/#${encodeURIComponent(code)}`);
        fc.pre(!/[\p{P}\p{S}]$/u.test(words));
        assert.equal(pasted?.code.toString().toLowerCase(), code.toLowerCase());
    }));
});
