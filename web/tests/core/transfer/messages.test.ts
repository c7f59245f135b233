import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeJson, utf8 } from "../../../core/bytes.ts";
import * as transfer from "../../../core/transfer/messages.ts";
import { vectors } from "../vectors.ts";

const OFFERS: readonly transfer.Offer[] = [
    { kind: "text", text: "grüße\n" },
    { kind: "file", name: "a file.txt", size: 5 * 2 ** 40 },
    { kind: "directory", name: "a directory", size: 1234, content: 1000, files: 3 },
];

test("offers, answers and the rest are those of the command-line client", () => {
    for (const [index, offer] of OFFERS.entries()) {
        assert.deepEqual(transfer.encodeOffer(offer), encodeJson(vectors.offers[index] ?? {}));
        assert.deepEqual(transfer.encodeAnswer(offer), encodeJson(vectors.answers[index] ?? {}));
        assert.deepEqual(transfer.parseTransferMessage(transfer.encodeOffer(offer)), [{ kind: "offer", offer }]);
        assert.deepEqual(transfer.parseTransferMessage(transfer.encodeAnswer(offer)), [{ kind: "answer" }]);
    }
    assert.deepEqual(transfer.encodeAbort("no"), encodeJson(vectors.abort));
    assert.deepEqual(transfer.encodeAcknowledgement("00ff"), encodeJson(vectors.acknowledgement));
});

test("one message may hold several of the transfer", () => {
    const message = encodeJson({ transit: {}, offer: { message: "x" }, other: 1, error: null });
    const parsed = transfer.parseTransferMessage(message);
    assert.deepEqual(parsed?.map((each) => each.kind), ["transit", "offer"]);
    assert.deepEqual(transfer.parseTransferMessage(encodeJson({ later: true })), []);
});

test("what is no message of a transfer is refused", () => {
    const bad = [
        [], { error: 1 }, { answer: { file_ack: "no" } }, { answer: "ok" }, { offer: {} }, { offer: { message: 1 } },
        { offer: { file: { filename: "a", filesize: -1 } } }, { offer: { file: { filename: "a", filesize: 1.5 } } },
        { offer: { file: { filename: "a", filesize: 2 ** 53 } } }, { offer: { file: { filesize: 1 } } },
        { offer: { directory: { mode: "tar", dirname: "a", zipsize: 1, numbytes: 1, numfiles: 1 } } },
        { offer: { directory: { mode: "zipfile/deflated", dirname: "a", zipsize: 1, numbytes: "1", numfiles: 1 } } },
    ];
    for (const each of bad) {
        assert.equal(transfer.parseTransferMessage(utf8(JSON.stringify(each))), null, JSON.stringify(each));
    }
});

test("whatever the peer sends, it is parsed or refused", () => {
    const keys = fc.constantFrom("offer", "answer", "error", "transit", "file", "directory", "message", "filesize");
    const value = fc.letrec((tie) => ({
        any: fc.oneof(fc.jsonValue(), fc.dictionary(keys, tie("any"), { maxKeys: 3 })),
    })).any;
    fc.assert(fc.property(value, (any) => {
        transfer.parseTransferMessage(utf8(JSON.stringify(any)));
    }));
});

test("an acknowledgement is compared with what was sent", () => {
    const read = (value: object): string => transfer.readAcknowledgement(utf8(JSON.stringify(value)), "00ff");
    assert.equal(read({ ack: "ok", sha256: "00ff" }), "ok");
    assert.equal(read({ ack: "ok" }), "ok");
    assert.equal(read({ ack: "ok", sha256: "00fe" }), "differs");
    for (const bad of [{}, { ack: "no", sha256: "00ff" }, { ack: "ok", sha256: 1 }, []]) {
        assert.equal(read(bad), "not-understood");
    }
});
