import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMORY_LIMIT, chooseSink } from "../../../core/transfer/sink-kinds.ts";

const nothing = { picker: false, serviceWorker: false, originPrivate: false, free: null };

test("places without a limit come first", () => {
    const all = { picker: true, serviceWorker: true, originPrivate: true, free: null };
    assert.equal(chooseSink(all, 2 ** 50), "file");
    assert.equal(chooseSink({ ...all, picker: false }, 2 ** 50), "download");
    assert.equal(chooseSink({ ...nothing, originPrivate: true }, 2 ** 50), "origin-private");
});

test("memory is used where nothing else is, up to its limit", () => {
    assert.equal(chooseSink(nothing, MEMORY_LIMIT), "memory");
    assert.equal(chooseSink(nothing, MEMORY_LIMIT + 1), null);
});

test("a file system that is too small is not used", () => {
    const small = { ...nothing, originPrivate: true, free: 1000 };
    assert.deepEqual([1000, 1001].map((size) => chooseSink(small, size)), ["origin-private", "memory"]);
});
