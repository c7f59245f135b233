import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferFailure } from "../../core/session/failure.ts";
import { type Source, makeSource } from "../../worker/source.ts";

function file(name: string, size: number): File {
    return new File([new Uint8Array(size).fill(7)], name, { lastModified: Date.UTC(2026, 0, 1) });
}

async function sizes(source: Source): Promise<number[]> {
    const found: number[] = [];
    for await (const block of source.blocks()) found.push(block.length);
    return found;
}

test("a file is read in blocks, in their order", async () => {
    const bytes = Uint8Array.from({ length: 6.5 * 2 ** 20 }, (_, index) => index >> 20);
    const source = await makeSource({ kind: "file", file: new File([bytes], "a.bin") });
    assert.deepEqual(source.offer, { kind: "file", name: "a.bin", size: bytes.length });
    const found: (readonly [first: number | undefined, size: number])[] = [];
    for await (const block of source.blocks()) found.push([block[0], block.length]);
    assert.deepEqual(found, [0, 1, 2, 3, 4, 5, 6].map((index) => [index, index < 6 ? 2 ** 20 : 2 ** 19]));
});

test("an empty file and a text have no blocks", async () => {
    assert.deepEqual(await sizes(await makeSource({ kind: "file", file: file("a", 0) })), []);
    assert.deepEqual(await sizes(await makeSource({ kind: "text", text: "x" })), []);
});

test("a directory has the size that was predicted, in large blocks, however small its files are", async () => {
    const files = Array.from({ length: 3000 }, (_, index) => ({ path: `ö/${index}`, file: file("x", index % 5) }));
    const source = await makeSource({ kind: "directory", name: "d", files, emptyDirectories: ["leer"] });
    assert.ok(source.offer.kind === "directory");
    assert.deepEqual([source.offer.files, source.offer.content], [3000, 6000]);
    const found = await sizes(source);
    assert.equal(found.reduce((sum, size) => sum + size, 0), source.offer.size);
    assert.equal(found.length, 1);
});

test("a file that cannot be read is named", async () => {
    const broken = file("a.bin", 10);
    broken.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) }) as unknown as Blob;
    for (const content of [
        { kind: "file", file: broken } as const,
        { kind: "directory", name: "d", files: [{ path: "a.bin", file: broken }], emptyDirectories: [] } as const,
    ]) {
        await assert.rejects(makeSource(content).then(sizes), (error) =>
            error instanceof TransferFailure && error.reason === "file-unreadable" && error.text === "a.bin");
    }
});
