import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerConnection } from "../../worker/server-connection.ts";
import { FakePlatform } from "./fakes.ts";

/** A connection that has begun, and what it told its owner. */
function begun(): { platform: FakePlatform; connection: ServerConnection; told: string[] } {
    const [platform, told] = [new FakePlatform(), [] as string[]];
    const connection = new ServerConnection(platform, "ws://h/v1", {
        received: (text) => told.push(text),
        connected: () => told.push("connected"),
        lost: () => told.push("lost"),
        unreachable: () => told.push("unreachable"),
    });
    connection.connect();
    return { platform, connection, told };
}

/** Lose the connection, and wait for the next attempt. @returns after how many milliseconds it came. */
async function loseAndWait(platform: FakePlatform): Promise<number> {
    const [before, sockets] = [platform.now(), platform.sockets.length];
    platform.socket.lose();
    while (platform.sockets.length === sockets) await platform.advance(100);
    return platform.now() - before;
}

test("a server is connected when it has sent its first message", () => {
    const { platform, connection, told } = begun();
    connection.send("too early");
    platform.socket.receive("welcome");
    connection.send("hello");
    assert.deepEqual(told, ["connected", "welcome"]);
    assert.deepEqual(platform.socket.sent, ["hello"]);
});

test("a server that was never there is unreachable after three attempts", async () => {
    const { platform, told } = begun();
    for (let attempt = 0; attempt < 3; attempt++) {
        platform.socket.lose();
        await platform.advance(2_000);
    }
    assert.deepEqual(told, ["lost", "lost", "unreachable"]);
    assert.equal(platform.sockets.length, 3);
    await platform.advance(1_000_000);
    assert.equal(platform.sockets.length, 3);
});

test("an attempt that nobody answers is given up", async () => {
    const { platform, told } = begun();
    await platform.advance(20_000);
    assert.ok(platform.sockets[0]?.closed);
    assert.deepEqual(told, ["lost"]);
});

test("a lost connection is made again, later each time, until the user has enough", async () => {
    const { platform, connection } = begun();
    platform.socket.receive("welcome");
    const waited: number[] = [];
    for (let attempt = 0; attempt < 15; attempt++) waited.push(await loseAndWait(platform));
    assert.deepEqual(waited, [...waited].sort((a, b) => a - b));
    assert.equal(waited[0], 500);
    assert.ok((waited.at(-1) ?? 0) <= 60_000);
    platform.socket.lose();
    connection.close();
    const { length } = platform.sockets;
    await platform.advance(100_000);
    assert.equal(platform.sockets.length, length);
});

test("after a success the first delay is short again", async () => {
    const { platform } = begun();
    platform.socket.receive("welcome");
    for (let attempt = 0; attempt < 5; attempt++) await loseAndWait(platform);
    platform.socket.receive("welcome");
    assert.equal(await loseAndWait(platform), 500);
});

test("a device that is on a network again does not wait", async () => {
    const { platform, connection } = begun();
    platform.socket.receive("welcome");
    platform.socket.lose();
    connection.connect();
    assert.equal(platform.sockets.length, 2);
    await platform.advance(10_000);
    assert.equal(platform.sockets.length, 2);
});

test("a server that says nothing is asked, and left if it does not answer", async () => {
    const { platform, told } = begun();
    platform.socket.receive("welcome");
    await platform.advance(30_000);
    assert.deepEqual(platform.socket.sent, ['{"type":"ping","ping":0}']);
    platform.socket.receive("pong");
    await platform.advance(59_000);
    assert.deepEqual(told, ["connected", "welcome", "pong"]);
    await platform.advance(1_000);
    assert.equal(told.at(-1), "lost");
    assert.ok(platform.sockets[0]?.closed);
});
