/** What is sent: its offer, and its bytes one block after the other. */
import type { Bytes } from "../core/bytes.ts";
import { TransferFailure } from "../core/session/failure.ts";
import type { Offer } from "../core/transfer/messages.ts";
import { ByteQueue } from "../core/transit/byte-queue.ts";
import type { Content } from "./messages.ts";

const BLOCK = 2 ** 20; // bytes that are sent at a time
const READ = 4 * BLOCK; // bytes that are read at a time: each costs a round trip between processes

export interface Source {
    readonly offer: Offer;
    /** The bytes, as many as were offered. @throws TransferFailure `file-unreadable`. */
    blocks(): AsyncIterable<Bytes>;
}

export async function makeSource(content: Content): Promise<Source> {
    switch (content.kind) {
        case "text":
            return { offer: content, blocks: () => nothing() };
        case "file": {
            const { file } = content;
            return { offer: { kind: "file", name: file.name, size: file.size }, blocks: () => readFile(file, file.name) };
        }
        case "directory":
            return await directorySource(content);
    }
}

/** A directory is a zip whose size is known before it is made: its files are stored, not compressed. */
async function directorySource(content: Extract<Content, { kind: "directory" }>): Promise<Source> {
    const { makeZip, predictLength } = await import("client-zip"); // is loaded where it is needed
    const { name, files, emptyDirectories } = content;
    const now = Date.now();
    const listed = files.map(({ path, file }) => ({
        name: path.normalize("NFC"), size: file.size, lastModified: file.lastModified, input: readFile(file, path),
    }));
    // None for directories with files in them: the Go client makes a file of each.
    const empty = emptyDirectories.map((path) => ({ name: `${path.normalize("NFC")}/`, lastModified: now }));
    const size = Number(predictLength([...listed, ...empty]));
    const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
    return {
        offer: { kind: "directory", name, size, content: bytes, files: files.length },
        blocks: () => joined(makeZip([...listed, ...empty]).getReader()),
    };
}

/** Join small pieces to blocks. */
async function* joined(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncIterable<Bytes> {
    const queue = new ByteQueue();
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (value !== undefined) queue.push(value);
            const size = done ? queue.length : BLOCK;
            const block = size > 0 ? queue.take(size) : null;
            if (block !== null) yield block as Bytes;
            if (done) return;
        }
    } finally {
        await reader.cancel();
    }
}

/** Read a file, what comes next while the rest is being sent. */
async function* readFile(file: Blob, name: string): AsyncIterable<Bytes> {
    const read = async (at: number): Promise<Bytes> => new Uint8Array(await file.slice(at, at + READ).arrayBuffer());
    try {
        let next = read(0);
        for (let at = 0; at < file.size; at += READ) {
            const bytes = await next;
            next = read(at + READ);
            next.catch(() => undefined); // raised above, in its turn
            if (bytes.length !== Math.min(READ, file.size - at)) throw new Error("it has become shorter");
            for (let from = 0; from < bytes.length; from += BLOCK) yield bytes.subarray(from, from + BLOCK);
        }
    } catch {
        throw new TransferFailure("file-unreadable", name);
    }
}

async function* nothing(): AsyncIterable<Bytes> {}
