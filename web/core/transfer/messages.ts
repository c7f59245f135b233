/** The messages of a file transfer, which the two ends send to each other through the wormhole; checked. */
import { type Bytes, type JsonObject, asObject, encodeJson, parseObject } from "../bytes.ts";
import type { Hint } from "../transit/hints.ts";

const ZIP_MODE = "zipfile/deflated";

/**
 * What is offered. Names are as the peer sent them; sizes are in bytes. A directory is sent as a zip of
 * `size` bytes, with `files` files that have `content` bytes together.
 */
export type Offer = { readonly kind: "text"; readonly text: string } | StoredOffer;
export type StoredOffer =
    | { readonly kind: "file"; readonly name: string; readonly size: number }
    | {
          readonly kind: "directory";
          readonly name: string;
          readonly size: number;
          readonly content: number;
          readonly files: number;
      };

export type TransferMessage =
    /** The peer tells where it can be reached; this client needs none of it. */
    | { readonly kind: "transit" }
    | { readonly kind: "offer"; readonly offer: Offer }
    /** The peer accepts what was offered; a text it has received. */
    | { readonly kind: "answer" }
    /** The peer gives up; the text says why. */
    | { readonly kind: "abort"; readonly text: string };

/**
 * Parse a message, which may hold several of the transfer.
 *
 * @returns none for a message with unknown keys only; null if it is not a message of a file transfer.
 */
export function parseTransferMessage(plaintext: Uint8Array): TransferMessage[] | null {
    const message = parseObject(plaintext);
    if (message === null) return null;
    const parsed: (TransferMessage | null)[] = [];
    if (message["error"] != null) {
        const text = message["error"];
        parsed.push(typeof text === "string" ? { kind: "abort", text } : null);
    }
    if (message["transit"] != null) parsed.push({ kind: "transit" });
    if (message["offer"] != null) {
        const offer = parseOffer(asObject(message["offer"]));
        parsed.push(offer && { kind: "offer", offer });
    }
    if (message["answer"] != null) {
        const answer = asObject(message["answer"]);
        const accepted = answer?.["message_ack"] === "ok" || answer?.["file_ack"] === "ok";
        parsed.push(accepted ? { kind: "answer" } : null);
    }
    const known = parsed.filter((each) => each !== null);
    return known.length < parsed.length ? null : known;
}

function parseOffer(offer: JsonObject | null): Offer | null {
    const text = offer?.["message"];
    if (typeof text === "string") return { kind: "text", text };
    const file = asObject(offer?.["file"]);
    if (file !== null) {
        const { filename: name, filesize: size } = file;
        return typeof name === "string" && isCount(size) ? { kind: "file", name, size } : null;
    }
    const { mode, dirname: name, zipsize: size, numbytes: content, numfiles: files } =
        asObject(offer?.["directory"]) ?? {};
    if (mode !== ZIP_MODE || typeof name !== "string") return null;
    return isCount(size) && isCount(content) && isCount(files)
        ? { kind: "directory", name, size, content, files }
        : null;
}

function isCount(value: unknown): value is number {
    return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function encodeTransit(hints: readonly Hint[]): Bytes {
    return encodeJson({ transit: { "abilities-v1": [{ type: "relay-v1" }], "hints-v1": hints } });
}

export function encodeOffer(offer: Offer): Bytes {
    switch (offer.kind) {
        case "text":
            return encodeJson({ offer: { message: offer.text } });
        case "file":
            return encodeJson({ offer: { file: { filename: offer.name, filesize: offer.size } } });
        case "directory": {
            const { name: dirname, size: zipsize, content: numbytes, files: numfiles } = offer;
            return encodeJson({ offer: { directory: { mode: ZIP_MODE, dirname, zipsize, numbytes, numfiles } } });
        }
    }
}

/** Encode the acceptance of an offer. */
export function encodeAnswer(offer: Offer): Bytes {
    return encodeJson({ answer: { [offer.kind === "text" ? "message_ack" : "file_ack"]: "ok" } });
}

/** Encode that this end gives up, and why. */
export function encodeAbort(text: string): Bytes {
    return encodeJson({ error: text });
}

/** Encode the receiver's record that ends a transfer; the hash is in hex. */
export function encodeAcknowledgement(sha256: string): Bytes {
    return encodeJson({ ack: "ok", sha256 });
}

/** Read the receiver's record: whether it has received what has this hash, which old clients do not say. */
export function readAcknowledgement(record: Uint8Array, sha256: string): "ok" | "differs" | "not-understood" {
    const acknowledgement = parseObject(record);
    const theirs = acknowledgement?.["sha256"] ?? sha256;
    if (acknowledgement?.["ack"] !== "ok" || typeof theirs !== "string") return "not-understood";
    return theirs === sha256 ? "ok" : "differs";
}
