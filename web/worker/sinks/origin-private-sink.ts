/**
 * The origin-private file system: as large as the disk, and seen by this site only. The page makes a link for
 * what is there; a later transfer removes it.
 */
import { TransferFailure } from "../../core/session/failure.ts";
import type { Result } from "../messages.ts";
import type { Sink } from "../platform.ts";
import { stored } from "./storage-failure.ts";

const PREFIX = "received-";
const KEPT_TIME = 24 * 3600 * 1000; // milliseconds that a file is there for its link

export class OriginPrivateSink implements Sink {
    readonly #directory: FileSystemDirectoryHandle;
    readonly #handle: FileSystemFileHandle;
    readonly #access: FileSystemSyncAccessHandle;
    readonly #name: string;
    #at = 0;

    private constructor(
        directory: FileSystemDirectoryHandle, handle: FileSystemFileHandle, access: FileSystemSyncAccessHandle, name: string,
    ) {
        this.#directory = directory;
        this.#handle = handle;
        this.#access = access;
        this.#name = name;
    }

    /** @throws TransferFailure `too-large-here`, or `disk-full` if it cannot be used at all. */
    static async open(name: string, size: number): Promise<OriginPrivateSink> {
        const directory = await stored(navigator.storage.getDirectory());
        await removeOld(directory);
        const { quota, usage } = await navigator.storage.estimate();
        if (quota !== undefined && size > quota - (usage ?? 0)) throw new TransferFailure("too-large-here");
        const handle = await stored(directory.getFileHandle(PREFIX + crypto.getRandomValues(new Uint32Array(2)).join("-"), { create: true }));
        return new OriginPrivateSink(directory, handle, await stored(handle.createSyncAccessHandle()), name);
    }

    async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
        for (let rest = bytes; rest.length > 0; ) {
            const written = await stored((async () => this.#access.write(rest, { at: this.#at }))());
            if (written === 0) throw new TransferFailure("disk-full");
            this.#at += written;
            rest = rest.subarray(written);
        }
    }

    async finish(): Promise<Result> {
        await stored((async () => this.#access.flush())());
        this.#access.close();
        return { kind: "file", name: this.#name, file: await stored(this.#handle.getFile()) };
    }

    async discard(): Promise<void> {
        this.#access.close();
        await this.#directory.removeEntry(this.#handle.name);
    }
}

async function removeOld(directory: FileSystemDirectoryHandle): Promise<void> {
    for await (const handle of directory.values()) {
        if (handle.kind !== "file" || !handle.name.startsWith(PREFIX)) continue;
        try {
            const { lastModified } = await handle.getFile();
            if (lastModified < Date.now() - KEPT_TIME) await directory.removeEntry(handle.name);
        } catch {
            continue; // another worker writes it
        }
    }
}
