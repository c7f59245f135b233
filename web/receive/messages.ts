/**
 * The messages of a download: the page announces it to the service worker, whose response takes what the worker
 * sends through a channel.
 *
 * The page posts `Announcement` to the registration's active worker, with one end of a `MessageChannel`, gives
 * the other end to the worker (`accept`), and opens `/receive/ID` in a hidden frame of its own origin. Firefox
 * ends a service worker that hears nothing for 30 seconds: the page posts `"stay"` every 10 until it is done.
 *
 * Whether a browser does all that is tried with `Probe`: the page opens `/receive/ID` of a probe in a frame, and
 * is sent `"started"` through the channel.
 */

/** Handled by whoever opens `/receive/ID`, once. `name` and `size` (bytes) are those of the download. */
export interface Announcement {
    readonly type: "download";
    readonly id: string;
    readonly name: string;
    readonly size: number;
    readonly port: MessagePort;
}

export interface Probe {
    readonly type: "probe";
    readonly id: string;
    readonly port: MessagePort;
}

/** Ask for what a phone has shared, once. The answer comes through the channel: `SharedForm`, or null. */
export interface SharedRequest {
    readonly type: "shared";
    readonly id: string;
    readonly port: MessagePort;
}

/** What was shared: files, or else a text. */
export interface SharedForm {
    readonly files: readonly File[];
    readonly text: string;
}

export type ToServiceWorker = Announcement | Probe | SharedRequest | "stay";

/** Through the channel, from the service worker: it has been asked for the response; take is in bytes. */
export type FromDownload = "started" | "cancelled" | { readonly take: number };

/** Through the channel, to the service worker: bytes, then the end; or the failure of it. */
export type ToDownload = Uint8Array<ArrayBuffer> | "end" | "failed";
