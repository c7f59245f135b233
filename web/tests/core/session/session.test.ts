import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Code } from "../../../core/codes/code.ts";
import { type FailureReason, TransferFailure } from "../../../core/session/failure.ts";
import { FOLLOWING, type SessionState } from "../../../core/session/state.ts";
import type { Offer } from "../../../core/transfer/messages.ts";
import { ModelEnd, ModelServer, settle } from "./model.ts";

const TEXT: Offer = { kind: "text", text: "grüße" };
const FILE: Offer = { kind: "file", name: "a.txt", size: 5 };

function code(text = "4-bravado-waffle"): Code {
    const parsed = Code.parse(text);
    assert.ok(parsed);
    return parsed;
}

function pair(offer: Offer, verify = false): [ModelServer, ModelEnd, ModelEnd] {
    const server = new ModelServer();
    const sender = new ModelEnd(server, "aaaaaaaaaa", 1, verify).begin({ role: "sender", offer, code: code() });
    const receiver = new ModelEnd(server, "bbbbbbbbbb", 2, verify).begin({ role: "receiver", code: code() });
    return [server, sender, receiver];
}

function reason(end: ModelEnd): FailureReason | null {
    return end.outcome instanceof TransferFailure ? end.outcome.reason : null;
}

function assertForgotten(server: ModelServer, ...ends: readonly ModelEnd[]): void {
    assert.ok(ends.every((end) => end.isFinished), "an end still waits for the server");
    assert.deepEqual([server.nameplates.size, server.mailboxes.size], [0, 0]);
}

test("a text is sent with a code that the server chose the nameplate of", () => {
    const server = new ModelServer();
    const sender = new ModelEnd(server, "aaaaaaaaaa", 1).begin({ role: "sender", offer: TEXT, code: { words: "bravado-waffle" } });
    settle(sender);
    assert.deepEqual(sender.states, ["connecting", "allocating", "waiting-for-peer"]);
    assert.match(sender.codeShown, /^1-bravado-waffle$/u);
    const receiver = new ModelEnd(server, "bbbbbbbbbb", 2);
    receiver.begin({ role: "receiver", code: code(sender.codeShown) });
    settle(sender, receiver);
    assert.deepEqual(sender.outcome, { text: null });
    assert.deepEqual(receiver.outcome, { text: "grüße" });
    assert.equal(sender.verifierShown, receiver.verifierShown);
    assert.equal(receiver.motd, "hello");
    assert.deepEqual(server.moods, ["happy", "happy"]);
    assertForgotten(server, sender, receiver);
});

test("a file goes through every state of both ends", () => {
    const [server, sender, receiver] = pair(FILE);
    settle(sender, receiver);
    assert.deepEqual(receiver.offered, FILE);
    assert.equal(sender.session.state, "offering");
    receiver.session.accept();
    settle(sender, receiver);
    assert.deepEqual(sender.moved?.key, receiver.moved?.key);
    assert.deepEqual([sender.moved?.role, receiver.moved?.role], ["sender", "receiver"]);
    for (const end of [sender, receiver]) {
        end.session.moving();
        end.session.moved();
    }
    settle(sender, receiver);
    const common = ["waiting-for-peer", "key-exchange", "version-ok"];
    const end = ["transit", "moving", "acknowledged", "closed"];
    assert.deepEqual(sender.states, ["connecting", ...common, "offering", ...end]);
    assert.deepEqual(receiver.states, ["connecting", ...common, "deciding", ...end]);
    assertForgotten(server, sender, receiver);
});

test("a receiver of a text is sent no hints, and one of a file sends none before it has accepted", () => {
    const [server, sender, receiver] = pair(TEXT);
    const phases: string[] = [];
    const handle = server.handle.bind(server);
    server.handle = (link, command) => {
        if (command["type"] === "add") phases.push(`${link.side[0]} ${command["phase"]}`);
        handle(link, command);
    };
    settle(sender, receiver);
    assert.deepEqual(phases.sort(), ["a 0", "a pake", "a version", "b 0", "b pake", "b version"]);
});

test("ends with different codes fail, and leave the mailbox scared", () => {
    const server = new ModelServer();
    const sender = new ModelEnd(server, "aaaaaaaaaa", 1).begin({ role: "sender", offer: TEXT, code: code() });
    const receiver = new ModelEnd(server, "bbbbbbbbbb", 2);
    receiver.begin({ role: "receiver", code: code("4-bravado-zulu") });
    settle(sender, receiver);
    assert.deepEqual([reason(sender), reason(receiver)], ["wrong-code", "wrong-code"]);
    assert.deepEqual(server.moods, ["scary", "scary"]);
    assertForgotten(server, sender, receiver);
});

test("a third end is told that it is one too many, and the two others go on", () => {
    const [server, sender, receiver] = pair(FILE);
    settle(sender);
    receiver.serve();
    receiver.deliver();
    while (receiver.serve());
    const third = new ModelEnd(server, "cccccccccc", 3).begin({ role: "receiver", code: code() });
    settle(third);
    assert.equal(reason(third), "crowded");
    assert.ok(third.isFinished);
    settle(sender, receiver);
    assert.deepEqual(receiver.offered, FILE);
});

test("with verification nothing is offered before both have compared", () => {
    const [, sender, receiver] = pair(TEXT, true);
    settle(sender, receiver);
    assert.equal(sender.verifierShown.length, 64);
    assert.equal(sender.session.state, "version-ok");
    sender.session.compared(true);
    settle(sender, receiver);
    assert.equal(receiver.outcome, null);
    receiver.session.compared(true);
    settle(sender, receiver);
    assert.deepEqual(receiver.outcome, { text: "grüße" });
});

test("verifiers that differ end both", () => {
    const [, sender, receiver] = pair(TEXT, true);
    settle(sender, receiver);
    receiver.session.compared(false);
    settle(sender, receiver);
    assert.equal(reason(receiver), "not-verified");
    assert.equal(reason(sender), "peer-error");
});

test("an offer that the user declines is rejected at the other end", () => {
    const [server, sender, receiver] = pair(FILE);
    settle(sender, receiver);
    receiver.session.fail(new TransferFailure("declined"));
    settle(sender, receiver);
    assert.deepEqual([reason(sender), reason(receiver)], ["rejected", "declined"]);
    assertForgotten(server, sender, receiver);
});

test("a connection that ended at the other end waits for the reason", () => {
    const [, sender, receiver] = pair(FILE);
    settle(sender, receiver);
    receiver.session.accept();
    settle(sender, receiver);
    sender.session.transferFailed(new TransferFailure("peer-gone"));
    assert.ok(sender.reasonAwaited);
    receiver.session.fail(new TransferFailure("disk-full"));
    settle(sender, receiver);
    assert.equal(reason(sender), "peer-error");
    assert.ok(sender.stopped);
});

test("without a reason the other end is gone", () => {
    const [, sender, receiver] = pair(FILE);
    settle(sender, receiver);
    receiver.session.accept();
    settle(sender, receiver);
    receiver.session.transferFailed(new TransferFailure("peer-gone"));
    receiver.session.reasonAwaited();
    assert.equal(reason(receiver), "peer-gone");
});

test("a server that refuses a client says why", () => {
    const server = new ModelServer();
    server.welcome = { error: "closed today" };
    const end = new ModelEnd(server, "aaaaaaaaaa", 1).begin({ role: "sender", offer: TEXT, code: { words: "bravado-waffle" } });
    settle(end);
    assert.ok(end.outcome instanceof TransferFailure);
    assert.deepEqual([end.outcome.reason, end.outcome.text], ["server-refused", "closed today"]);
    assert.ok(end.isFinished);
});

for (const type of ["allocate", "claim", "open", "add"]) {
    test(`a server that refuses ${type} ends the session, which leaves nothing behind`, () => {
        const server = new ModelServer();
        server.refusal = { type, error: "too much" };
        const end = new ModelEnd(server, "aaaaaaaaaa", 1).begin({ role: "sender", offer: TEXT, code: { words: "bravado-waffle" } });
        settle(end);
        assert.equal(reason(end), "server-refused");
        if (type !== "claim") assertForgotten(server, end);
    });
}

test("a server that asks for work gets it before anything else", () => {
    const server = new ModelServer();
    server.welcome = { "permission-required": { hashcash: { bits: 4, resource: "r" } } };
    const end = new ModelEnd(server, "aaaaaaaaaa", 1);
    end.deliver();
    const sent = end.link.toServer.map((text) => JSON.parse(text));
    assert.deepEqual(sent.map((command) => command.type), ["submit-permissions", "bind"]);
    assert.match(sent[0].stamp, /^1:4:261126:r::[0-9a-f]{16}:[0-9a-f]+$/u);
});

test("nameplates are listed before anything was begun", () => {
    const [server, sender] = pair(FILE);
    settle(sender);
    const other = new ModelEnd(server, "cccccccccc", 3);
    other.session.listNameplates();
    settle(other);
    assert.deepEqual(other.listed, ["4"]);
});

test("what the server must not send ends the session", () => {
    for (const text of ["{", "[]", '{"type":"welcome"}', '{"type":"claimed"}', '{"type":"message","side":1}']) {
        const end = new ModelEnd(new ModelServer(), "aaaaaaaaaa", 1);
        end.session.received(text);
        assert.equal(reason(end), "not-understood", text);
    }
});

test("two senders with one code fail", () => {
    const server = new ModelServer();
    const ends = ["aaaaaaaaaa", "bbbbbbbbbb"].map((side, index) =>
        new ModelEnd(server, side, index).begin({ role: "sender", offer: TEXT, code: code() }));
    settle(...ends);
    for (const end of ends) assert.ok(["not-understood", "peer-error"].includes(reason(end) ?? ""));
});

test("a server that forgot everything while this end waited is given everything again", () => {
    const server = new ModelServer();
    const sender = new ModelEnd(server, "aaaaaaaaaa", 1).begin({ role: "sender", offer: TEXT, code: code() });
    settle(sender);
    server.forget();
    sender.reconnect();
    const receiver = new ModelEnd(server, "bbbbbbbbbb", 2).begin({ role: "receiver", code: code() });
    settle(sender, receiver);
    assert.deepEqual(receiver.outcome, { text: "grüße" });
});

/** One step of two ends: 0-1 serve, 2-3 deliver, 4-5 reconnect. */
const steps = fc.array(fc.nat(5), { maxLength: 120 });

function step(ends: readonly ModelEnd[], number: number): void {
    const end = ends[number % 2];
    if (number < 2) end?.serve();
    else if (number < 4) end?.deliver();
    else end?.reconnect();
    const receiver = ends[1];
    if (receiver?.session.state === "deciding") receiver.session.accept();
}

test("connections that break at any message lose nothing and say nothing twice", () => {
    fc.assert(fc.property(steps, fc.boolean(), (numbers, chosen) => {
        const server = new ModelServer();
        const sender = new ModelEnd(server, "aaaaaaaaaa", 1);
        const receiver = new ModelEnd(server, "bbbbbbbbbb", 2);
        sender.begin({ role: "sender", offer: TEXT, code: chosen ? code() : { words: "a-b" } });
        if (!chosen) settle(sender); // the receiver has to be given the code
        receiver.begin({ role: "receiver", code: code(sender.codeShown || undefined) });
        for (const number of numbers) step([sender, receiver], number);
        for (const { messages } of server.mailboxes.values()) {
            assert.equal(new Set(messages.map(({ side, phase }) => side + phase)).size, messages.length);
        }
        settle(sender, receiver);
        assert.deepEqual([sender.outcome, receiver.outcome], [{ text: null }, { text: "grüße" }]);
        assertForgotten(server, sender, receiver);
    }), { numRuns: 50 });
});

test("a cancel at any message ends both, and the other end is told", () => {
    fc.assert(fc.property(steps, fc.nat(1), (numbers, who) => {
        const [server, sender, receiver] = pair(FILE);
        const ends = [sender, receiver] as const;
        for (const number of numbers) step(ends, number);
        const [here, there] = who === 0 ? [sender, receiver] : [receiver, sender];
        const met = here.states.includes("key-exchange");
        here.session.fail(new TransferFailure("cancelled"));
        settle(...ends);
        assert.equal(reason(here), "cancelled");
        assert.ok(here.isFinished && here.stopped);
        if (met) assert.equal(reason(there), "peer-error");
        else there.session.fail(new TransferFailure("cancelled"));
        settle(...ends);
        if (here.link.mailbox !== "" || met) assertForgotten(server, ...ends);
    }), { numRuns: 50 });
});

test("a state follows its table, from the first to the last", () => {
    const [, sender, receiver] = pair(FILE);
    settle(sender, receiver);
    receiver.session.accept();
    settle(sender, receiver);
    for (const end of [sender, receiver]) {
        let before: SessionState = "idle";
        for (const state of end.states) {
            assert.ok(FOLLOWING[before].includes(state), `${before} to ${state}`);
            before = state;
        }
    }
});
