import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { safeName, savedName } from "../../../core/transfer/names.ts";

test("an ordinary name stays as it is", () => {
    for (const name of ["a file.txt", "grüße.pdf", "日本語", "👨‍👩‍👧.png", "a.tar.gz"]) assert.equal(safeName(name), name);
});

test("only the last element of a path is used", () => {
    for (const name of ["/etc/passwd", "../../passwd", "C:\\x\\passwd", "a/passwd/"]) assert.equal(safeName(name), "passwd");
    for (const name of ["", "/", "..", ".", "\\", " "]) assert.doesNotMatch(safeName(name), /^\.*$|[/\\]/u);
});

test("what would hide or turn letters is shown", () => {
    assert.equal(safeName("photo\u202Egpj.exe"), "photo\uFFFDgpj.exe");
    assert.equal(safeName("a\0b\nc\x7fd\u2028e\ud800"), "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFD");
});

test("names that an operating system reserves are changed", () => {
    assert.deepEqual(["CON", "nul.txt", "a:b?", "x. ", ".bashrc"].map((name) => safeName(name)),
        ["_CON", "_nul.txt", "a_b_", "x", "_bashrc"]);
});

test("a long name keeps its ending", () => {
    assert.match(safeName(`${"😀".repeat(300)}.jpg`), /^😀+\.jpg$/u);
});

test("every name becomes one that can be saved", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
        const safe = safeName(name);
        assert.ok(safe.length > 0 && safe.length <= 205, safe);
        assert.doesNotMatch(safe, /[/\\\p{Cc}<>:"|?*]|^\.|[. ]$/u);
        assert.equal(safeName(safe), safe);
    }));
});

test("a directory is saved as a zip", () => {
    assert.equal(savedName({ kind: "directory", name: "a/photos", size: 1, content: 1, files: 1 }), "photos.zip");
    assert.equal(savedName({ kind: "directory", name: "", size: 1, content: 1, files: 1 }), "directory.zip");
    assert.equal(savedName({ kind: "file", name: "x/y.txt", size: 1 }), "y.txt");
});
