import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMORY_LIMIT } from "../../../core/transfer/sink-kinds.ts";
import { MemorySink } from "../../../worker/sinks/memory-sink.ts";

test("all bytes are in the blob, in their order", async () => {
    const sink = new MemorySink("a.bin", 100);
    for (let part = 0; part < 40; part++) await sink.write(new Uint8Array(2 ** 20).fill(part));
    const result = await sink.finish();
    assert.ok(result.kind === "file");
    const bytes = new Uint8Array(await result.file.arrayBuffer());
    assert.equal(bytes.length, 40 * 2 ** 20);
    for (let part = 0; part < 40; part++) assert.equal(bytes[part * 2 ** 20 + 1], part);
});

test("more than its limit is refused before anything has come", () => {
    assert.throws(() => new MemorySink("a.bin", MEMORY_LIMIT + 1), { reason: "too-large-here" });
});
