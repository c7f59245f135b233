import assert from "node:assert/strict";
import { test } from "node:test";
import { makeResponse } from "../../receive/download.ts";
import { DownloadSink } from "../../worker/sinks/download-sink.ts";

/** A download, and the sink that its bytes come from. */
async function begun(name = "a.bin", size = 100): Promise<{ response: Response; sink: DownloadSink }> {
    const { port1, port2 } = new MessageChannel();
    const opening = DownloadSink.open(port1, name);
    const response = makeResponse({ type: "download", id: "0", name, size, port: port2 });
    return { response, sink: await opening };
}

async function read(response: Response): Promise<Uint8Array> {
    return new Uint8Array(await response.arrayBuffer());
}

test("all bytes arrive in their order, and the download ends", async () => {
    const { response, sink } = await begun("a.bin", 100 * 65536);
    const reading = read(response);
    for (let part = 0; part < 100; part++) await sink.write(new Uint8Array(65536).fill(part));
    assert.deepEqual(await sink.finish(), { kind: "saved", name: "a.bin" });
    const bytes = await reading;
    assert.equal(bytes.length, 100 * 65536);
    for (let part = 0; part < 100; part++) assert.equal(bytes[part * 65536 + 9], part);
});

test("a browser that does not take them holds the sender up", async () => {
    const { response, sink } = await begun("a.bin", 2 ** 30);
    let written = 0;
    const writing = (async () => {
        while (written < 2 ** 30) {
            await sink.write(new Uint8Array(65536));
            written += 65536;
        }
    })();
    const reader = response.body?.getReader();
    await reader?.read();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(written <= 4 * 2 ** 20, `${written} bytes were taken`);
    await reader?.cancel();
    await assert.rejects(writing, { reason: "cancelled" });
});

test("a transfer that fails makes a download that fails", async () => {
    const { response, sink } = await begun();
    const reading = read(response);
    await sink.write(new Uint8Array(10));
    await sink.discard();
    await assert.rejects(reading);
});

test("it is always an attachment, of its length, under its name", async () => {
    const { response, sink } = await begun("größe 'a' (1)*.html", 12345);
    assert.equal(response.headers.get("Content-Length"), "12345");
    assert.equal(response.headers.get("Content-Type"), "application/octet-stream");
    assert.equal(response.headers.get("Content-Disposition"),
        "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%27a%27%20%281%29%2A.html");
    await sink.discard();
});
