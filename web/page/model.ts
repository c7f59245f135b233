/**
 * What the page shows, and how it changes: one state, one reducer. No DOM and no worker: events in, states
 * out; times are parameters, in seconds.
 */
import type { FailureReason } from "../core/session/failure.ts";
import type { SessionState } from "../core/session/state.ts";
import type { OfferShown, Result, WorkerMessage } from "../worker/messages.ts";
import type { TextKey } from "./texts/texts.ts";

/** What is sent or received, in words for people. `size` is in bytes; null: it is a text. */
export interface Item {
    readonly name: string;
    readonly size: number | null;
    readonly files: number;
}

/** How far the bytes are. `rate` is in bytes a second; null: too early to say. */
export interface Progress {
    readonly moved: number;
    readonly total: number;
    readonly rate: number | null;
    readonly samples: readonly Sample[];
}

interface Sample {
    readonly at: number;
    readonly moved: number;
}

/** The transfer that the worker carries out. */
export interface Transfer {
    readonly role: "send" | "receive";
    readonly state: SessionState;
    readonly connected: boolean;
    readonly code: string | null;
    readonly verify: boolean;
    readonly verifier: string | null;
    readonly item: Item | null;
    readonly offer: OfferShown | null;
    readonly progress: Progress;
}

/** The page: one screen, and what it needs. */
export type Page =
    | { readonly screen: "start"; readonly code: string; readonly linked: boolean; readonly problem: TextKey | null }
    | { readonly screen: "text"; readonly text: string }
    | { readonly screen: "transfer"; readonly transfer: Transfer }
    | { readonly screen: "done"; readonly transfer: Transfer; readonly result: Result }
    | {
          readonly screen: "failed";
          readonly transfer: Transfer;
          readonly reason: FailureReason;
          readonly text: string | null;
      };

/** Which part of a transfer is shown. */
export type Step = "connecting" | "waiting" | "checking" | "verify" | "asked" | "offer" | "progress";

export type Event =
    | { readonly type: "linked"; readonly code: string }
    | { readonly type: "problem"; readonly problem: TextKey }
    | { readonly type: "write"; readonly text: string }
    | { readonly type: "back" }
    | { readonly type: "begin"; readonly role: "send"; readonly item: Item; readonly verify: boolean }
    | { readonly type: "begin"; readonly role: "receive"; readonly code: string; readonly verify: boolean }
    | { readonly type: "compared" }
    | { readonly type: "accepted" }
    | { readonly type: "worker"; readonly message: WorkerMessage; readonly at: number }
    | { readonly type: "again" };

export const START: Extract<Page, { screen: "start" }> = { screen: "start", code: "", linked: false, problem: null };

const RATE_SECONDS = 5; // long enough to be steady, short enough to follow a change of network

export function reduce(page: Page, event: Event): Page {
    switch (event.type) {
        case "linked":
            // A link fills the field and claims nothing: whoever previews links would use up the code.
            return page.screen === "start" ? { ...START, code: event.code, linked: true } : page;
        case "problem":
            return page.screen === "start" ? { ...page, problem: event.problem } : page;
        case "write":
            return page.screen === "start" ? { screen: "text", text: event.text } : page;
        case "back":
        case "again":
            return START;
        case "begin":
            return { screen: "transfer", transfer: begin(event) };
        case "compared":
            return inTransfer(page, (transfer) => ({ ...transfer, verify: false }));
        case "accepted":
            return inTransfer(page, (transfer) => ({ ...transfer, state: "transit" }));
        case "worker":
            return page.screen === "transfer" ? hear(page.transfer, event.message, event.at) : page;
    }
}

/** Which part of the transfer the user is to see now. */
export function stepOf(transfer: Transfer): Step {
    if (transfer.verify && transfer.verifier !== null) return "verify";
    switch (transfer.state) {
        case "idle":
        case "connecting":
        case "allocating":
            return transfer.code === null ? "connecting" : "waiting";
        case "waiting-for-peer":
            return "waiting";
        case "key-exchange":
        case "version-ok":
            return "checking";
        case "offering":
            return "asked";
        case "deciding":
            return transfer.offer === null ? "checking" : "offer";
        case "transit":
        case "moving":
        case "acknowledged":
        case "closed":
            return transfer.item?.size === null ? "asked" : "progress";
    }
}

/** How long the rest takes, in seconds; null: too early to say. */
export function secondsLeft(progress: Progress): number | null {
    return progress.rate === null ? null : Math.ceil((progress.total - progress.moved) / progress.rate);
}

function begin(event: Extract<Event, { type: "begin" }>): Transfer {
    const send = event.role === "send";
    return {
        role: event.role,
        state: "connecting",
        connected: true,
        code: send ? null : event.code,
        verify: event.verify,
        verifier: null,
        item: send ? event.item : null,
        offer: null,
        progress: { moved: 0, total: (send && event.item.size) || 0, rate: null, samples: [] },
    };
}

function hear(transfer: Transfer, message: WorkerMessage, at: number): Page {
    switch (message.type) {
        case "connection":
            return show({ ...transfer, connected: message.state === "connected" });
        case "state":
            return show({ ...transfer, state: message.state });
        case "code":
            return show({ ...transfer, code: message.code });
        case "peer":
            return show({ ...transfer, verifier: message.verifier });
        case "offer": {
            const { offer } = message;
            const item = { name: offer.name, size: offer.size, files: offer.kind === "file" ? 1 : offer.files };
            return show({ ...transfer, offer, item });
        }
        case "progress":
            return show({ ...transfer, progress: advance(transfer.progress, message, at) });
        case "done":
            return { screen: "done", transfer, result: message.result };
        case "failed":
            return { screen: "failed", transfer, reason: message.reason, text: message.text };
        case "welcome":
        case "nameplates":
            return show(transfer);
    }
}

function advance(progress: Progress, message: { moved: number; total: number }, at: number): Progress {
    const { moved, total } = message;
    const samples = [...progress.samples.filter((sample) => sample.at > at - RATE_SECONDS), { at, moved }];
    const [first] = samples;
    const rate =
        first !== undefined && at > first.at && moved > first.moved ? (moved - first.moved) / (at - first.at) : null;
    return { moved, total, rate, samples };
}

function show(transfer: Transfer): Page {
    return { screen: "transfer", transfer };
}

function inTransfer(page: Page, change: (transfer: Transfer) => Transfer): Page {
    return page.screen === "transfer" ? show(change(page.transfer)) : page;
}
