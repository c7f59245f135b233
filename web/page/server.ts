/** What the server tells the page about itself, in the page. */
import type { Servers } from "../worker/messages.ts";

/**
 * The JSON in the attribute `data-server` of the element in which the screens are shown.
 *
 * `publicRelay` is null where the relay cannot be reached over TCP. `receiveCommand` is the command that the
 * other person runs, without the code; null where this server cannot be reached by one. `assets` are URLs.
 */
export interface ServerFacts {
    readonly assets: { readonly worker: string; readonly serviceWorker: string };
    readonly publicRelay: { readonly hostname: string; readonly port: number } | null;
    readonly receiveCommand: string | null;
}

/** Read it from the page. */
export function readFacts(): ServerFacts {
    return JSON.parse(document.getElementById("screen")?.dataset["server"] ?? "") as ServerFacts;
}

/** Where the servers are: beside the page, whatever is before its path. */
export function serversOf(facts: ServerFacts): Servers {
    const url = (path: string): string => {
        const found = new URL(path, document.baseURI);
        found.protocol = found.protocol === "https:" ? "wss:" : "ws:";
        found.hash = "";
        return found.href;
    };
    return { rendezvous: url("v1"), relay: url("transit"), publicRelay: facts.publicRelay };
}

/** The link that opens the page with a code. The code is in the fragment, which no browser sends. */
export function linkOf(code: string): string {
    const link = new URL("./", document.baseURI);
    link.hash = code;
    return link.href;
}
