/**
 * The states of a session: one transfer, from the connection to the server to its end.
 *
 * A sender offers, a receiver decides. A text goes from offering, or from version-ok, to acknowledged.
 */
export type SessionState =
    | "idle"             // nothing has been asked for
    | "connecting"       // there is no connection to the server yet
    | "allocating"       // the server is to choose a nameplate
    | "waiting-for-peer" // the code is known; the other end has not come
    | "key-exchange"     // the other end is here; it has not proved that it has the code
    | "version-ok"       // it has; the verifier can be compared
    | "offering"         // it is to accept what this end sends
    | "deciding"         // the user is to accept what the other end sends
    | "transit"          // accepted; the two ends find each other on the relay
    | "moving"           // bytes are moving
    | "acknowledged"     // the receiver has everything; the two ends take leave
    | "closed";          // done or failed

/** What may follow each state; every one may be followed by closed, too: cancelled or failed. */
export const FOLLOWING: Readonly<Record<SessionState, readonly SessionState[]>> = {
    "idle": ["connecting"],
    "connecting": ["allocating", "waiting-for-peer"],
    "allocating": ["waiting-for-peer"],
    "waiting-for-peer": ["key-exchange"],
    "key-exchange": ["version-ok"],
    "version-ok": ["offering", "deciding", "acknowledged"],
    "offering": ["transit", "acknowledged"],
    "deciding": ["transit"],
    "transit": ["moving"],
    "moving": ["acknowledged"],
    "acknowledged": [],
    "closed": [],
};
