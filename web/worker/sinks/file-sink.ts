/** A file that the user picked. The browser writes into a copy until it is finished. */
import type { Result } from "../messages.ts";
import type { Sink } from "../platform.ts";
import { stored } from "./storage-failure.ts";

export class FileSink implements Sink {
    readonly #handle: FileSystemFileHandle;
    readonly #writable: FileSystemWritableFileStream;

    private constructor(handle: FileSystemFileHandle, writable: FileSystemWritableFileStream) {
        this.#handle = handle;
        this.#writable = writable;
    }

    static async open(handle: FileSystemFileHandle): Promise<FileSink> {
        return new FileSink(handle, await stored(handle.createWritable()));
    }

    async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
        await stored(this.#writable.write(bytes));
    }

    async finish(): Promise<Result> {
        await stored(this.#writable.close());
        return { kind: "saved", name: this.#handle.name };
    }

    async discard(): Promise<void> {
        await this.#writable.abort();
    }
}
