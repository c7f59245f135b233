import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { de } from "../../page/texts/de.ts";
import { en } from "../../page/texts/en.ts";
import { CATALOGUES, chooseLanguage, Translator, type Language, type TextKey } from "../../page/texts/texts.ts";

const placeholders = (text: string): string[] => (text.match(/\{\w+\}/gu) ?? []).sort();

test("every catalogue has the texts of every other, with the same values to fill in", async () => {
    for (const language of Object.keys(CATALOGUES) as Language[]) {
        const catalogue = await CATALOGUES[language]();
        assert.deepEqual(Object.keys(catalogue).sort(), Object.keys(en).sort(), language);
        for (const key of Object.keys(en) as TextKey[]) {
            assert.deepEqual(placeholders(catalogue[key]), placeholders(en[key]), `${language}: ${key}`);
            assert.notEqual(catalogue[key].trim(), "", `${language}: ${key}`);
        }
    }
});

test("the first of the reader's languages that is known is chosen, else English", () => {
    assert.equal(chooseLanguage(["fr", "de-AT", "en"]), "de");
    assert.equal(chooseLanguage(["fr", "toString"]), "en");
    assert.equal(chooseLanguage([]), "en");
});

test("values are filled in, and nothing else is replaced", () => {
    const texts = new Translator("en", en);
    assert.equal(texts.text("done.saved", { name: "{name} $& x" }), "Saved as {name} $& x.");
});

test("sizes are in decimal units of the language", () => {
    const texts = new Translator("en", en);
    const sizes = [0, 1, 999, 1000, 3_200_000, 999_499_999, 999_500_000, 5e15].map((size) => texts.size(size));
    assert.deepEqual(sizes, ["0 bytes", "1 byte", "999 bytes", "1 kB", "3.2 MB", "999 MB", "1 GB", "5,000 TB"]);
    assert.equal(new Translator("de", de).size(3_200_000), "3,2 MB");
});

test("durations are to the second, the minute, or the hour", () => {
    const texts = new Translator("en", en);
    assert.deepEqual([0, 59, 60, 3599, 5400].map((seconds) => texts.duration(seconds)), [
        "1 s", "59 s", "1 min", "1 h 0 min", "1 h 30 min",
    ]);
});

test("every text is shown somewhere", () => {
    const folder = pathToFileURL(`${process.cwd()}/page/`);
    const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !/^texts\/\w\w\.ts$/u.test(name))
        .map((name) => readFileSync(new URL(name, folder), "utf8"));
    const frame = readFileSync(new URL("../../wormhole_server/web/pages/client.xml", folder), "utf8");
    const all = [...sources, frame].join("\n");
    const made = /^failed\./u; // from the reasons of failures, which the types compare
    const unused = Object.keys(en).filter((key) => !made.test(key) && !all.includes(`"${key}"`));
    assert.deepEqual(unused, []);
});
