import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, fromInput } from "../../page/files/chosen.ts";

function file(name: string, path = "", size = 3): File {
    return Object.defineProperty(new File([new Uint8Array(size)], name), "webkitRelativePath", { value: path });
}

test("one file is sent as a file", () => {
    const one = file("a.jpg");
    assert.deepEqual(fromInput([one]), { kind: "file", file: one });
    assert.deepEqual(describe({ kind: "file", file: one }), { name: "a.jpg", size: 3, files: 1 });
});

test("several files are sent as one directory", () => {
    const content = fromInput([file("a"), file("b")]);
    assert.ok(content?.kind === "directory");
    assert.equal(content.name, "files");
    assert.deepEqual(content.files.map(({ path }) => path), ["a", "b"]);
    assert.deepEqual(describe(content), { name: "files", size: 6, files: 2 });
});

test("a folder keeps its name, and its files their paths below it", () => {
    const content = fromInput([file("a", "trip/a"), file("b", "trip/days/b")]);
    assert.ok(content?.kind === "directory");
    assert.equal(content.name, "trip");
    assert.deepEqual(content.files.map(({ path }) => path), ["a", "days/b"]);
});

test("a folder of one file is a folder", () => {
    const content = fromInput([file("a", "trip/a")]);
    assert.ok(content?.kind === "directory");
    assert.deepEqual([content.name, content.files[0]?.path], ["trip", "a"]);
});

test("nothing is nothing", () => {
    assert.equal(fromInput([]), null);
});
