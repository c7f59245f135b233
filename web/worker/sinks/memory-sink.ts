/** The browser's memory, where there is nothing else; it may move large blobs to a disk by itself. */
import { TransferFailure } from "../../core/session/failure.ts";
import { MEMORY_LIMIT } from "../../core/transfer/sink-kinds.ts";
import type { Result } from "../messages.ts";
import type { Sink } from "../platform.ts";

const PART = 16 * 2 ** 20; // bytes that become one blob, so that not all are kept here

export class MemorySink implements Sink {
    readonly #name: string;
    #parts: BlobPart[] = [];
    #blobs: Blob[] = [];
    #size = 0; // of the parts

    /** @throws TransferFailure `too-large-here`. */
    constructor(name: string, size: number) {
        if (size > MEMORY_LIMIT) throw new TransferFailure("too-large-here");
        this.#name = name;
    }

    async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
        this.#parts.push(bytes);
        this.#size += bytes.length;
        if (this.#size >= PART) this.#join();
    }

    async finish(): Promise<Result> {
        this.#join();
        return { kind: "file", name: this.#name, file: new Blob(this.#blobs) };
    }

    async discard(): Promise<void> {
        this.#parts = [];
        this.#blobs = [];
    }

    #join(): void {
        this.#blobs.push(new Blob(this.#parts));
        this.#parts = [];
        this.#size = 0;
    }
}
