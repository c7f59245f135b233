/** The completion of a code while it is typed. */
import { DEFAULT_WORDS, wordsAt } from "./choice.ts";

/**
 * List what a text may become, with one more complete part each.
 *
 * @param typed the beginning of a code.
 * @param nameplates those that the server lists, in any order.
 * @returns nameplates with their dash, shortest and smallest first; or the code with one more complete word
 *     each, in the order of the alphabet, with a dash if another word has to follow.
 */
export function complete(typed: string, nameplates: Iterable<string>): string[] {
    const dash = typed.indexOf("-");
    if (dash < 0) return completeNameplate(typed, nameplates);
    const nameplate = typed.slice(0, dash + 1);
    return completeWords(typed.slice(dash + 1)).map((words) => nameplate + words);
}

function completeNameplate(typed: string, nameplates: Iterable<string>): string[] {
    return [...nameplates]
        .filter((each) => each.startsWith(typed))
        .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
        .map((each) => `${each}-`);
}

function completeWords(typed: string): string[] {
    const done = typed.toLowerCase().split("-");
    const last = done.pop() ?? "";
    const dash = done.length + 1 < DEFAULT_WORDS ? "-" : "";
    const before = done.map((word) => `${word}-`).join("");
    return wordsAt(done.length)
        .filter((word) => word.startsWith(last))
        .map((word) => before + word + dash);
}
