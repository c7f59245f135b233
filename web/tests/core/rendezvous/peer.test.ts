import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Bytes, hex, utf8 } from "../../../core/bytes.ts";
import { Peer } from "../../../core/rendezvous/peer.ts";
import { always } from "../vectors.ts";

type Added = [phase: string, body: Bytes];

/** A peer and what it told its owner. */
function end(side: string, seed: number): { peer: Peer; added: Added[]; told: string[]; messages: string[] } {
    const [added, told, messages] = [[] as Added[], [] as string[], [] as string[]];
    const peer = new Peer(side, always(seed), {
        add: (phase, body) => added.push([phase, body]),
        met: () => told.push("met"),
        proved: (key) => told.push(`proved ${hex(key)}`),
        message: (plaintext) => messages.push(new TextDecoder().decode(plaintext)),
        wrongCode: () => told.push("wrong code"),
    });
    return { peer, added, told, messages };
}

/** All that one end sends another: its pake, its version, and three messages. */
const [theirs, ourPake] = (() => {
    const [one, other] = [end("one", 1), end("other", 2)];
    for (const { peer } of [one, other]) peer.start("4-a");
    const [pake] = other.added;
    assert.ok(pake);
    one.peer.received("other", ...pake);
    for (const text of ["first", "second", "third"]) one.peer.send(utf8(text));
    return [one.added, pake];
})();

test("messages arrive in their order, once, in whatever order and however often the server sends them", () => {
    const order = fc.shuffledSubarray([...theirs, ...theirs], { minLength: 2 * theirs.length });
    fc.assert(fc.property(order, (shuffled) => {
        const here = end("other", 2);
        here.peer.start("4-a");
        assert.deepEqual(here.added, [ourPake]);
        for (const [phase, body] of shuffled) here.peer.received("one", phase, body);
        assert.deepEqual(here.messages, ["first", "second", "third"]);
        assert.deepEqual(here.told.map((each) => each.split(" ")[0]), ["met", "proved"]);
    }), { numRuns: 30 });
});

test("who comes after the peer is not listened to", () => {
    const here = end("other", 2);
    here.peer.start("4-a");
    for (const [phase, body] of theirs.slice(0, 2)) here.peer.received("one", phase, body);
    for (const [phase, body] of theirs) here.peer.received("third", phase, body);
    here.peer.received("third", "0", utf8("not a box"));
    assert.deepEqual([here.messages, here.told.length], [[], 2]);
});

test("a message that does not decrypt is of someone with another code", () => {
    const here = end("other", 2);
    here.peer.start("4-a");
    const [pake, version] = theirs;
    assert.ok(pake && version);
    here.peer.received("one", ...pake);
    here.peer.received("one", "version", version[1].with(30, 1));
    here.peer.received("one", ...version);
    assert.deepEqual(here.told, ["met", "wrong code"]);
});

test("a pake that is none is of someone with another code", () => {
    for (const body of ["", "{}", '{"pake_v1":"xx"}', '{"pake_v1":1}', '{"pake_v1":"53"}']) {
        const here = end("other", 2);
        here.peer.start("4-a");
        here.peer.received("one", "pake", utf8(body));
        assert.deepEqual(here.told, ["met", "wrong code"], body);
    }
});

test("what no client sends is not kept", () => {
    const here = end("other", 2);
    here.peer.start("4-a");
    for (let index = 0; index < 1000; index++) here.peer.received("one", String(index), utf8("x"));
    for (const [phase, body] of theirs) here.peer.received("one", phase, body);
    assert.deepEqual(here.told, ["met", "wrong code"]);
});
