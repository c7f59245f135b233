/** Codes, `NAMEPLATE-word-word`: their syntax. */
const NAMEPLATE = /^[0-9]{1,40}$/;

/** Returns so many random bytes; `crypto.getRandomValues` behind it. */
export type RandomBytes = (size: number) => Uint8Array;

/** A complete code. All of its text is the password; the server knows the nameplate only. */
export class Code {
    constructor(readonly nameplate: string, readonly words: string) {}

    toString(): string {
        return `${this.nameplate}-${this.words}`;
    }

    /**
     * Parse a code, as `wormhole` does.
     *
     * @returns null if it has a space, no nameplate, or no words; `0-` is the only code without words.
     */
    static parse(text: string): Code | null {
        if (/\s/u.test(text)) return null;
        const dash = text.indexOf("-");
        if (dash < 0) return null;
        const nameplate = text.slice(0, dash);
        const words = text.slice(dash + 1);
        if (!NAMEPLATE.test(nameplate) || (words === "" && text !== "0-")) return null;
        return new Code(nameplate, words);
    }
}
