/**
 * The messages between the page and its worker: two closed unions.
 *
 * A worker serves one transfer. The page starts it, says `connect` first, then maybe `list-nameplates`, then
 * either `send` or `receive`; the last message of the worker is `done` or `failed`. For the next transfer the
 * page starts another worker.
 */
import type { FailureReason } from "../core/session/failure.ts";
import type { SessionState } from "../core/session/state.ts";

/**
 * Where the servers are.
 *
 * `rendezvous` is the WebSocket URL that ends in `/v1`, `relay` the one that ends in `/transit`. `publicRelay`
 * is the relay's TCP address as other clients reach it: the Python client does not know WebSocket relays.
 */
export interface Servers {
    readonly rendezvous: string;
    readonly relay: string;
    readonly publicRelay: { readonly hostname: string; readonly port: number } | null;
}

/** A file of a directory; `path` is relative to the directory, with `/` between its parts. */
export interface DirectoryEntry {
    readonly path: string;
    readonly file: File;
}

/** What is sent. `emptyDirectories` are paths as in `DirectoryEntry`; others follow from the files. */
export type Content =
    | { readonly kind: "text"; readonly text: string }
    | { readonly kind: "file"; readonly file: File }
    | {
          readonly kind: "directory";
          readonly name: string;
          readonly files: readonly DirectoryEntry[];
          readonly emptyDirectories: readonly string[];
      };

/**
 * Where what is received goes to.
 *
 * `file` is what the file picker returned. `download` is one end of a channel whose other end the service
 * worker has (see receive/sw.ts). `origin-private` and `memory` end in a `File` for which the page makes a
 * link; `memory` is refused above the limit of core/sinks.ts.
 */
export type SinkChoice =
    | { readonly kind: "file"; readonly handle: FileSystemFileHandle }
    | { readonly kind: "download"; readonly port: MessagePort }
    | { readonly kind: "origin-private" }
    | { readonly kind: "memory" };

export type PageMessage =
    /** The first message. With `verify` the session waits for `compared` after `peer`. */
    | { readonly type: "connect"; readonly servers: Servers; readonly verify: boolean }
    /** Ask which nameplates the server lists, for the completion of a code. */
    | { readonly type: "list-nameplates" }
    /** Send, with a complete code; or with the words of one whose nameplate the server chooses. */
    | { readonly type: "send"; readonly content: Content; readonly code: string | { readonly words: string } }
    /** Receive with a complete code. */
    | { readonly type: "receive"; readonly code: string }
    /** The user has compared the verifiers. */
    | { readonly type: "compared"; readonly same: boolean }
    /** The user wants what is offered. `sink.handle` and `sink.port` come with it (transfer the port). */
    | { readonly type: "accept"; readonly sink: SinkChoice }
    /** The user does not want it; the worker answers with `failed`, reason declined. */
    | { readonly type: "reject" }
    /** The user ends the transfer, in whatever state it is; the worker answers with `failed`. */
    | { readonly type: "cancel" };

/**
 * What the other end offers. A text is not offered to the user: it comes with `done`.
 *
 * `name` is safe to show and to save as; that of a directory ends in `.zip`. `size` is what arrives, in
 * bytes. `content` is the size of a directory's files, `files` how many there are.
 */
export type OfferShown =
    | { readonly kind: "file"; readonly name: string; readonly size: number }
    | {
          readonly kind: "directory";
          readonly name: string;
          readonly size: number;
          readonly content: number;
          readonly files: number;
      };

/** What a transfer ended in. */
export type Result =
    /** The other end has confirmed that it has everything. */
    | { readonly kind: "sent" }
    /** A text was received. */
    | { readonly kind: "text"; readonly text: string }
    /** It is in the file that the user picked, or among the browser's downloads. */
    | { readonly kind: "saved"; readonly name: string }
    /** It is here, and becomes the user's with a link: sinks `origin-private` and `memory`. */
    | { readonly kind: "file"; readonly name: string; readonly file: Blob };

export type WorkerMessage =
    /** The server has accepted this client; `motd` is its message to users. */
    | { readonly type: "welcome"; readonly motd: string | null }
    /** Whether there is a connection to the server. The session goes on when it is back. */
    | { readonly type: "connection"; readonly state: "connected" | "reconnecting" }
    /** The answer to `list-nameplates`. */
    | { readonly type: "nameplates"; readonly nameplates: readonly string[] }
    | { readonly type: "state"; readonly state: SessionState }
    /** The code of this transfer, once it is known. */
    | { readonly type: "code"; readonly code: string }
    /** The other end has proved that it has the code. `verifier` is 64 hex digits. */
    | { readonly type: "peer"; readonly verifier: string }
    | { readonly type: "offer"; readonly offer: OfferShown }
    /** At most ten a second, and one at the end. In bytes. */
    | { readonly type: "progress"; readonly moved: number; readonly total: number }
    | { readonly type: "done"; readonly result: Result }
    /** `text` is what the peer, the server or the browser says about it; show it as text. */
    | { readonly type: "failed"; readonly reason: FailureReason; readonly text: string | null };
