/** What a person pastes where a code is asked for: a code, a link, a URI, a whole command. */
import { withoutCapitals } from "./choice.ts";
import { Code } from "./code.ts";

const MARKS = /^["'`“”‘’«»(<[]+|["'`“”‘’«»)>\].,;!?]+$/gu;

/** A code that was pasted; `host` is the server that it belongs to (`HOST` or `HOST:PORT`), if that is said. */
export interface Pasted {
    readonly code: Code;
    readonly host: string | null;
}

/**
 * Find the code in a text.
 *
 * Understood are `4-word-word`, the same with spaces for dashes, `https://HOST/#4-word-word`,
 * `wormhole-transfer:4-word-word?…`, and whatever has exactly one code among its words, such as
 * `wormhole --relay-url=ws://HOST/v1 receive 4-word-word`.
 *
 * Words of the list are understood in capitals, too.
 *
 * @returns null if there is none, or more than one.
 */
export function parsePasted(text: string): Pasted | null {
    const parts = text.split(/\s+/u).map((part) => part.replace(MARKS, "")).filter(Boolean);
    const found = new Map<string, Pasted>();
    let host: string | null = null;
    for (const [index, part] of parts.entries()) {
        const pasted = parsePart(part);
        if (pasted !== null) found.set(pasted.code.toString(), pasted);
        const relay = /^--relay-url(?:=(.*))?$/u.exec(part);
        if (relay !== null) host = hostOf(relay[1] ?? parts[index + 1] ?? "");
    }
    const [first, ...others] = found.values();
    if (others.length > 0) return null;
    if (first !== undefined) return { code: first.code, host: first.host ?? host };
    return parts.length > 1 ? pasted(parts.join("-"), null) : null;
}

function parsePart(part: string): Pasted | null {
    const uri = /^wormhole-transfer:([^?#]*)(?:\?([^#]*))?/iu.exec(part);
    if (uri !== null) {
        const rendezvous = /(?:^|&)rendezvous=([^&]*)/u.exec(uri[2] ?? "");
        return pasted(decode(uri[1] ?? ""), rendezvous && hostOf(decode(rendezvous[1] ?? "")));
    }
    const link = /^https?:\/\/[^#]*#(.*)$/iu.exec(part);
    if (link !== null) return pasted(decode(link[1] ?? ""), hostOf(part));
    return pasted(part.replace(/^--code=/u, ""), null);
}

function pasted(text: string, host: string | null): Pasted | null {
    const code = Code.parse(text);
    return code === null ? null : { code: new Code(code.nameplate, withoutCapitals(code.words)), host };
}

function hostOf(url: string): string | null {
    return /^[a-z]+:\/\/(?:[^/?#@]*@)?([^/?#]+)/iu.exec(url)?.[1]?.toLowerCase() ?? null;
}

function decode(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text; // a stray percent sign
    }
}
