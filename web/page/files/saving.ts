/** Where what is received goes to: the best that this browser offers, found by trying, never by its name. */
import type { OfferShown, SinkChoice } from "../../worker/messages.ts";
import { chooseSink, MEMORY_LIMIT } from "../../core/transfer/sink-kinds.ts";
import type { Downloads } from "./downloads.ts";

declare global {
    interface Window {
        showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
    }
}

const PREPARATION_TIME = 10_000; // milliseconds; who saves does not wait longer for downloads to work

/** What will be done; `limit` is in bytes. */
export type SavePlan =
    | { readonly kind: SinkChoice["kind"] }
    | { readonly kind: "none"; readonly limit: number };

/** Chooses a place, and opens it. */
export class Saving {
    #free: number | null = null;
    #prepared: Promise<void> | undefined;

    constructor(private readonly downloads: Downloads) {}

    /** Find out what there is. */
    prepare(): void {
        const late = new Promise<void>((resolve) => setTimeout(resolve, PREPARATION_TIME));
        this.#prepared = Promise.race([this.downloads.prepare(), late]);
        void navigator.storage?.estimate?.().then(({ quota = 0, usage = 0 }) => (this.#free = quota - usage || null));
    }

    /** Say what can be done for so many bytes. */
    plan(size: number): SavePlan {
        const kind = chooseSink(
            {
                picker: window.showSaveFilePicker !== undefined,
                serviceWorker: this.downloads.work,
                originPrivate: navigator.storage?.getDirectory !== undefined,
                free: this.#free,
            },
            size,
        );
        return kind === null ? { kind: "none", limit: MEMORY_LIMIT } : { kind };
    }

    /** The transfer has ended. */
    end(): void {
        this.downloads.end();
    }

    /**
     * Open the place for an offer; in a click of the user's.
     *
     * @returns null if the user closed the file picker: the offer stands.
     */
    async open(offer: OfferShown): Promise<SinkChoice | null> {
        // A picker opens in the click itself; for the rest it takes a moment to know what works.
        if (window.showSaveFilePicker === undefined) await this.#prepared;
        const { kind } = this.plan(offer.size);
        switch (kind) {
            case "file":
                return this.#pick(offer.name);
            case "download":
                return { kind, port: this.downloads.start(offer.name, offer.size) };
            case "origin-private":
            case "memory":
                return { kind };
            case "none":
                return null;
        }
    }

    async #pick(suggestedName: string): Promise<SinkChoice | null> {
        try {
            const handle = await window.showSaveFilePicker?.({ suggestedName });
            return handle === undefined ? null : { kind: "file", handle };
        } catch (error) {
            if (error instanceof DOMException && error.name === "AbortError") return null;
            throw error;
        }
    }
}

/** Make a link that saves a file which is in the browser's own storage or in memory. */
export function linkTo(name: string, file: Blob): HTMLAnchorElement {
    const link = document.createElement("a");
    // As bytes, whatever it is: nothing that others sent is opened in this page's origin.
    link.href = URL.createObjectURL(file.slice(0, file.size, "application/octet-stream"));
    link.download = name;
    return link;
}
