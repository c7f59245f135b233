/** Which places for what is received a browser offers, and which of them is used. */

/** What `choose` needs to know of a browser; all of it is tried out, and not derived from its name. */
export interface Storage {
    /** It shows a picker for a file to save to. */
    readonly picker: boolean;
    /** The service worker was seen to answer. */
    readonly serviceWorker: boolean;
    /** It has an origin-private file system. */
    readonly originPrivate: boolean;
    /** Bytes that the origin may still store; null if that is not known. */
    readonly free: number | null;
}

export type SinkKind = "file" | "download" | "origin-private" | "memory";

export const MEMORY_LIMIT = 512 * 2 ** 20; // bytes; a phone's browser ends a page that takes much more

/** Choose the place for so many bytes, or null: it is too large here. */
export function chooseSink(storage: Storage, size: number): SinkKind | null {
    if (storage.picker) return "file";
    if (storage.serviceWorker) return "download";
    if (storage.originPrivate && (storage.free === null || size <= storage.free)) return "origin-private";
    return size <= MEMORY_LIMIT ? "memory" : null;
}
