/** Names of files: what the peer calls them, made safe to show and to save as. */
import type { StoredOffer } from "./messages.ts";

const LONGEST = 200; // UTF-16 units; file systems take 255 bytes or units, and browsers add " (1)"
const CONTROL = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/gu; // lone surrogates are Cs
const RESERVED = /[<>:"|?*]/gu; // on Windows
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)/iu; // on Windows

/**
 * Make a name safe: the last element of a path, control and bidirectional characters shown as `\uFFFD`, and
 * what a file system refuses replaced by `_`.
 */
export function safeName(name: string, fallback = "file"): string {
    const last = name.normalize("NFC").split(/[/\\]/u).filter(Boolean).at(-1) ?? "";
    const shown = last.replace(CONTROL, "\uFFFD").replace(RESERVED, "_").trim().replace(/[. ]+$/u, "");
    const allowed = shown.replace(DEVICE, "_$&").replace(/^\.+/u, (dots) => "_".repeat(dots.length));
    return allowed === "" ? fallback : shorten(allowed);
}

/** The name that an offer is shown with and saved as; a directory is saved as the zip that arrives. */
export function savedName(offer: StoredOffer): string {
    if (offer.kind === "file") return safeName(offer.name);
    return `${safeName(offer.name, "directory")}.zip`;
}

/** Cut a name in its middle, so that it keeps its ending, without cutting a character in two. */
function shorten(name: string): string {
    if (name.length <= LONGEST) return name;
    const ending = /\.[^.]{1,20}$/u.exec(name)?.[0] ?? "";
    return name.slice(0, LONGEST - ending.length).replace(/[\uD800-\uDBFF]$/u, "") + ending;
}
