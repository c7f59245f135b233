import assert from "node:assert/strict";
import { test } from "node:test";
import { complete } from "../../../core/codes/completion.ts";

test("nameplates that the server lists are offered, shortest and smallest first", () => {
    assert.deepEqual(complete("", ["10", "9", "3"]), ["3-", "9-", "10-"]);
    assert.deepEqual(complete("1", ["10", "9", "1"]), ["1-", "10-"]);
});

test("a first word is followed by a dash", () => {
    assert.deepEqual(complete("4-brav", []), ["4-bravado-"]);
});

test("the last word is not", () => {
    assert.deepEqual(complete("4-bravado-waf", []), ["4-bravado-waffle"]);
});

test("a word in capitals is completed", () => {
    assert.deepEqual(complete("4-BRAV", []), ["4-bravado-"]);
});

test("what no word begins with is not completed", () => {
    assert.deepEqual(complete("4-xyz", ["4"]), []);
});
