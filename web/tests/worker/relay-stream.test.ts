import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferFailure } from "../../core/session/failure.ts";
import { RelayStream } from "../../worker/relay-stream.ts";
import { FakePlatform } from "./fakes.ts";

const MIB = 2 ** 20;

async function opened(): Promise<{ platform: FakePlatform; stream: RelayStream }> {
    const platform = new FakePlatform();
    const opening = RelayStream.open(platform, "ws://h/transit", () => undefined);
    platform.socket.onopen?.(null);
    return { platform, stream: await opening };
}

/** What a promise fails with, once it has. */
async function failure(promise: Promise<unknown>): Promise<TransferFailure> {
    const error = await promise.then(() => null, (reason: unknown) => reason);
    assert.ok(error instanceof TransferFailure, String(error));
    return error;
}

test("the relay is asked for credit", async () => {
    const { platform } = await opened();
    assert.deepEqual(platform.socket.protocols, ["wormhole-transit-credit.v1"]);
});

test("what was taken is granted again, a mebibyte at a time", async () => {
    const { platform, stream } = await opened();
    stream.grantFirst();
    stream.took(MIB - 1);
    assert.deepEqual(platform.socket.sent, [String(4 * MIB)]);
    stream.took(10);
    stream.took(10);
    assert.deepEqual(platform.socket.sent, [String(4 * MIB), String(MIB + 9)]);
});

test("bytes are waited for, and arrive in their order", async () => {
    const { platform, stream } = await opened();
    const more = stream.more();
    platform.socket.receive(Uint8Array.of(1, 2));
    platform.socket.receive(Uint8Array.of(3));
    await more;
    assert.deepEqual([...(stream.arrived.take(3) ?? [])], [1, 2, 3]);
});

test("a relay that cannot be reached is not the other end's fault", async () => {
    const platform = new FakePlatform();
    const opening = failure(RelayStream.open(platform, "ws://h/transit", () => undefined));
    platform.socket.lose();
    assert.equal((await opening).reason, "relay-lost");
});

test("the relay's close says whether the other end has left or the relay", async () => {
    for (const [code, reason] of [[1000, "peer-gone"], [1001, "relay-lost"], [1006, "relay-lost"]] as const) {
        const { platform, stream } = await opened();
        const more = failure(stream.more());
        platform.socket.lose(code);
        assert.equal((await more).reason, reason);
        assert.throws(() => stream.write(new Uint8Array(1)), TransferFailure);
    }
});

test("writing waits while the browser holds more than it should", async () => {
    const { platform, stream } = await opened();
    platform.socket.bufferedAmount = 4 * MIB;
    await stream.drained();
    platform.socket.bufferedAmount += 1;
    let drained = false;
    const waiting = stream.drained().then(() => (drained = true));
    await platform.advance(1_000);
    assert.equal(drained, false);
    platform.socket.bufferedAmount = MIB;
    await platform.advance(10);
    await waiting;
});

test("a connection over which nothing moves ends, in both directions", async () => {
    const { platform, stream } = await opened();
    const more = stream.more();
    await platform.advance(119_000);
    platform.socket.receive(new Uint8Array(1));
    await more;
    platform.socket.bufferedAmount = 5 * MIB;
    const [again, drained] = [failure(stream.more()), failure(stream.drained())];
    await platform.advance(121_000);
    assert.equal((await again).reason, "peer-gone");
    assert.equal((await drained).reason, "peer-gone");
});

test("the end of the other end is waited for, but not for ever", async () => {
    const { platform, stream } = await opened();
    let ended = 0;
    const waiting = stream.ended(10_000).then(() => (ended = platform.now()));
    await platform.advance(20_000);
    await waiting;
    assert.equal(ended, 10_000);
    const other = await opened();
    const soon = other.stream.ended(10_000);
    other.platform.socket.lose(1000);
    await soon;
});
