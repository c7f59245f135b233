import assert from "node:assert/strict";
import { test } from "node:test";
import { reduce, secondsLeft, START, stepOf, type Event, type Page } from "../../page/model.ts";
import type { SessionState } from "../../core/session/state.ts";
import type { WorkerMessage } from "../../worker/messages.ts";

const ITEM = { name: "a.jpg", size: 1000, files: 1 };
const SEND: Event = { type: "begin", role: "send", item: ITEM, verify: false };
const RECEIVE: Event = { type: "begin", role: "receive", code: "4-bravado-waffle", verify: false };
const OFFER: WorkerMessage = { type: "offer", offer: { kind: "file", name: "b.jpg", size: 500 } };

const from = (message: WorkerMessage, at = 0): Event => ({ type: "worker", message, at });
const state = (state: SessionState): Event => from({ type: "state", state });
const run = (...events: readonly Event[]): Page => events.reduce(reduce, START as Page);
const step = (...events: readonly Event[]): string => {
    const page = run(...events);
    return page.screen === "transfer" ? stepOf(page.transfer) : page.screen;
};

test("a link fills the field, and claims nothing", () => {
    assert.deepEqual(run({ type: "linked", code: "4-a-b" }), { ...START, code: "4-a-b", linked: true });
});

test("a link changes nothing during a transfer", () => {
    assert.deepEqual(run(SEND, { type: "linked", code: "4-a-b" }), run(SEND));
});

test("a sender sees the code as soon as it is known", () => {
    const code: WorkerMessage = { type: "code", code: "4-a-b" };
    assert.equal(step(SEND), "connecting");
    assert.equal(step(SEND, state("allocating")), "connecting");
    assert.equal(step(SEND, state("allocating"), from(code)), "waiting");
    assert.equal(step(SEND, from(code), state("waiting-for-peer")), "waiting");
});

test("a sender goes through the states to the end", () => {
    assert.equal(step(SEND, state("key-exchange")), "checking");
    assert.equal(step(SEND, state("offering")), "asked");
    assert.equal(step(SEND, state("transit")), "progress");
    assert.equal(step(SEND, state("moving")), "progress");
    assert.equal(step(SEND, state("acknowledged")), "progress");
    assert.equal(step(SEND, from({ type: "done", result: { kind: "sent" } })), "done");
});

test("a receiver decides when the offer is there", () => {
    assert.equal(step(RECEIVE, state("version-ok")), "checking");
    assert.equal(step(RECEIVE, state("deciding")), "checking");
    assert.equal(step(RECEIVE, from(OFFER), state("deciding")), "offer");
    assert.equal(step(RECEIVE, from(OFFER), state("deciding"), { type: "accepted" }), "progress");
});

test("verifiers are compared once, and only where that was asked for", () => {
    const peer = from({ type: "peer", verifier: "00".repeat(32) });
    const careful: Event = { type: "begin", role: "receive", code: "4-a-b", verify: true };
    assert.equal(step(careful, state("version-ok"), peer), "verify");
    assert.equal(step(careful, state("version-ok"), peer, { type: "compared" }), "checking");
    assert.equal(step(RECEIVE, state("version-ok"), peer), "checking");
});

test("a failure keeps what is known of the transfer", () => {
    const page = run(SEND, from({ type: "progress", moved: 400, total: 1000 }), from({ type: "failed", reason: "relay-lost", text: null }));
    assert.ok(page.screen === "failed");
    assert.equal(page.transfer.progress.moved, 400);
});

test("what a worker says after the end changes nothing", () => {
    const done = run(SEND, from({ type: "done", result: { kind: "sent" } }));
    assert.equal(reduce(done, from({ type: "failed", reason: "peer-gone", text: null })), done);
});

test("the rate is that of the last seconds, and the rest of the time follows from it", () => {
    const at = (moved: number, at: number): Event => from({ type: "progress", moved, total: 1000 }, at);
    const rate = (...events: readonly Event[]): unknown => {
        const page = run(SEND, ...events);
        assert.ok(page.screen === "transfer");
        return [page.transfer.progress.rate, secondsLeft(page.transfer.progress)];
    };
    assert.deepEqual(rate(at(0, 1)), [null, null]);
    assert.deepEqual(rate(at(0, 1), at(100, 2)), [100, 9]);
    assert.deepEqual(rate(at(0, 1), at(500, 2), at(510, 20), at(520, 21)), [10, 48]);
    assert.deepEqual(rate(at(100, 1), at(100, 2)), [null, null]);
});
