import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../../core/bytes.ts";
import { Mailbox } from "../../../core/rendezvous/mailbox.ts";

/** A mailbox and what it asked for: commands, and what it told its owner. */
function mailbox(): { mailbox: Mailbox; said: string[] } {
    const said: string[] = [];
    const made = new Mailbox("me", {
        command: (command) => said.push(Object.values(command).join(" ")),
        allocated: (nameplate) => said.push(`got ${nameplate}`),
        message: (side, phase) => said.push(`message ${side} ${phase}`),
        closed: () => said.push("closed!"),
    });
    return { mailbox: made, said };
}

const echo = (phase: string, text: string) => ({ type: "message", side: "me", phase, body: utf8(text) }) as const;

test("nothing is sent without a connection, and everything with the next one", () => {
    const { mailbox: here, said } = mailbox();
    here.claim("4");
    here.add("pake", utf8("x"));
    assert.deepEqual(said, []);
    here.connected();
    here.received({ type: "claimed", mailbox: "m" });
    assert.deepEqual(said, ["claim 4", "open m", "add pake 78"]);
});

test("only what was not echoed is repeated", () => {
    const { mailbox: here, said } = mailbox();
    here.connected();
    here.claim("4");
    here.received({ type: "claimed", mailbox: "m" });
    here.add("pake", utf8("x"));
    here.add("version", utf8("y"));
    here.received(echo("pake", "x"));
    here.lost();
    said.length = 0;
    here.connected();
    assert.deepEqual(said, ["claim 4", "open m", "add version 79"]);
});

test("a nameplate that was given back is not claimed again", () => {
    const { mailbox: here, said } = mailbox();
    here.connected();
    here.claim("4");
    here.received({ type: "claimed", mailbox: "m" });
    here.release();
    here.lost();
    here.connected();
    here.received({ type: "released" });
    here.lost();
    here.connected();
    assert.deepEqual(said, ["claim 4", "open m", "release 4", "release 4", "open m", "open m"]);
});

test("the close waits for what is not stored yet", () => {
    const { mailbox: here, said } = mailbox();
    here.connected();
    here.claim("4");
    here.close("happy");
    here.add("0", utf8("x"));
    here.received({ type: "claimed", mailbox: "m" });
    assert.deepEqual(said, ["claim 4", "open m", "add 0 78"]);
    here.received(echo("0", "x"));
    assert.deepEqual(said.slice(3), ["release 4", "close m happy"]);
    here.received({ type: "closed" });
    assert.equal(said.length, 5);
    here.received({ type: "released" });
    assert.equal(said.at(-1), "closed!");
});

test("a mailbox that the server never heard of is closed at once", () => {
    const { mailbox: here, said } = mailbox();
    here.claim("4");
    here.close("lonely");
    assert.deepEqual(said, ["closed!"]);
});

test("what the server refused to store is not waited for", () => {
    const { mailbox: here, said } = mailbox();
    here.connected();
    here.claim("4");
    here.received({ type: "claimed", mailbox: "m" });
    here.add("pake", utf8("x"));
    here.refused();
    here.close("errory");
    assert.equal(said.at(-1), "close m errory");
});
