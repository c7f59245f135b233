/** The messages of the rendezvous protocol: what the server says, checked; what this client says. */
import { type Bytes, type JsonObject, asObject, parseHex, parseObject } from "../bytes.ts";

/** How the mailbox is closed; the values are the protocol's. */
export type Mood =
    | "happy"   // both ends had the same code
    | "lonely"  // nobody came
    | "scary"   // somebody came with another code
    | "errory"; // the protocol was not followed, or the transfer failed

export type ServerMessage =
    | { readonly type: "welcome"; readonly welcome: JsonObject }
    | { readonly type: "nameplates"; readonly nameplates: readonly string[] }
    | { readonly type: "allocated"; readonly nameplate: string }
    | { readonly type: "claimed"; readonly mailbox: string }
    | { readonly type: "released" }
    | { readonly type: "closed" }
    | { readonly type: "message"; readonly side: string; readonly phase: string; readonly body: Bytes }
    | { readonly type: "error"; readonly error: string };

export type Command =
    | { readonly type: "submit-permissions"; readonly method: "hashcash"; readonly stamp: string }
    | { readonly type: "bind"; readonly appid: string; readonly side: string;
        readonly client_version: readonly [string, string] }
    | { readonly type: "list" }
    | { readonly type: "allocate" }
    | { readonly type: "claim"; readonly nameplate: string }
    | { readonly type: "release"; readonly nameplate: string }
    | { readonly type: "open"; readonly mailbox: string }
    | { readonly type: "add"; readonly phase: string; readonly body: string }
    | { readonly type: "close"; readonly mailbox: string; readonly mood: Mood };

/**
 * Parse what the server sent.
 *
 * @returns "unknown" for a type that this client has no use for; null for what is not of the protocol.
 */
export function parseServerMessage(text: string): ServerMessage | "unknown" | null {
    const message = parseObject(text);
    switch (message?.["type"]) {
        case "welcome": {
            const welcome = asObject(message["welcome"]);
            return welcome && { type: "welcome", welcome };
        }
        case "nameplates":
            return parseNameplates(message["nameplates"]);
        case "allocated": {
            const nameplate = message["nameplate"];
            return typeof nameplate === "string" ? { type: "allocated", nameplate } : null;
        }
        case "claimed": {
            const mailbox = message["mailbox"];
            return typeof mailbox === "string" ? { type: "claimed", mailbox } : null;
        }
        case "released":
        case "closed":
            return { type: message["type"] };
        case "message":
            return parseMailboxMessage(message);
        case "error": {
            const error = message["error"];
            return typeof error === "string" ? { type: "error", error } : null;
        }
        default:
            return typeof message?.["type"] === "string" ? "unknown" : null;
    }
}

function parseNameplates(listed: unknown): ServerMessage | null {
    if (!Array.isArray(listed)) return null;
    const nameplates = listed.map((each) => asObject(each)?.["id"]).filter((id) => typeof id === "string");
    return { type: "nameplates", nameplates };
}

function parseMailboxMessage(message: JsonObject): ServerMessage | null {
    const { side, phase, body } = message;
    if (typeof side !== "string" || typeof phase !== "string" || typeof body !== "string") return null;
    const octets = parseHex(body);
    return octets && { type: "message", side, phase, body: octets };
}
