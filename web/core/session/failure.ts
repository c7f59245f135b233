/** Why a transfer failed. The values are the keys of the texts that the page shows. */
export type FailureReason =
    | "wrong-code"      // the other end has another code: a typing mistake, or someone guesses
    | "crowded"         // two others use this code already
    | "not-verified"    // the user says that the verifiers differ
    | "rejected"        // the other end's user does not want it
    | "declined"        // the user of this end does not want it
    | "peer-error"      // the other end gave up; the text is its reason
    | "peer-gone"       // the connection ended at the other end before everything had arrived
    | "relay-lost"      // the transit relay cannot be reached, or its connection broke
    | "server-gone"     // the rendezvous server cannot be reached
    | "server-refused"  // it does not serve this client now; the text is its reason
    | "not-understood"  // the other end or the server says something that this client does not know
    | "disk-full"       // what was received cannot be stored
    | "too-large-here"  // this browser cannot store so much
    | "file-unreadable" // a file that is sent cannot be read, or changed meanwhile; the text is its name
    | "hash-differs"    // what arrived is not what was sent
    | "cancelled"       // the user of this end cancelled
    | "internal";       // a fault of this client; the text is for its developers

/** The end of a transfer that failed. `text` is of the peer, the server or the browser, for the user. */
export class TransferFailure extends Error {
    constructor(readonly reason: FailureReason, readonly text: string | null = null) {
        super(text === null ? reason : `${reason}: ${text}`);
    }
}

const REJECTION = "transfer rejected"; // what every client sends when its user does not want something

/** What the other end is told when this one fails; nothing where it knows, or cannot be reached. */
export const TOLD: Readonly<Partial<Record<FailureReason, string>>> = {
    "not-verified": "verification rejected: the verifiers differ",
    "declined": REJECTION,
    "relay-lost": "the connection to the transit relay is lost",
    "not-understood": "the other end is not understood",
    "disk-full": "there is not enough disk space",
    "too-large-here": "this browser cannot store so much",
    "file-unreadable": "a file cannot be read, or has changed",
    "hash-differs": "what arrived is not what was sent",
    "cancelled": "the transfer was cancelled at this end",
    "internal": "an unexpected error at this end",
};

/** Make the failure of this end when the other one gives up. @param text its reason. */
export function peerFailure(text: string): TransferFailure {
    return text === REJECTION ? new TransferFailure("rejected") : new TransferFailure("peer-error", text);
}
