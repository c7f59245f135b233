import assert from "node:assert/strict";
import { test } from "node:test";
import { FileSink } from "../../../worker/sinks/file-sink.ts";

/** A file that the user picked, and what was done with it; `fault` is raised by every write. */
function picked(fault?: Error): { handle: FileSystemFileHandle; done: string[] } {
    const done: string[] = [];
    const writable = {
        write: async (bytes: Uint8Array) => {
            if (fault) throw fault;
            done.push(`write ${bytes.length}`);
        },
        close: async () => done.push("close"),
        abort: async () => done.push("abort"),
    };
    return { handle: { name: "a.bin", createWritable: async () => writable } as unknown as FileSystemFileHandle, done };
}

test("what comes is written, and then saved under the name that the user chose", async () => {
    const { handle, done } = picked();
    const sink = await FileSink.open(handle);
    await sink.write(new Uint8Array(3));
    assert.deepEqual(await sink.finish(), { kind: "saved", name: "a.bin" });
    assert.deepEqual(done, ["write 3", "close"]);
});

test("what is discarded never replaces the file", async () => {
    const { handle, done } = picked();
    await (await FileSink.open(handle)).discard();
    assert.deepEqual(done, ["abort"]);
});

test("a full disk is told from other faults", async () => {
    const full = await FileSink.open(picked(new DOMException("", "QuotaExceededError")).handle);
    await assert.rejects(full.write(new Uint8Array(1)), { reason: "disk-full", text: null });
    const other = await FileSink.open(picked(new Error("the stick was pulled out")).handle);
    await assert.rejects(other.write(new Uint8Array(1)), { reason: "disk-full", text: "the stick was pulled out" });
});
