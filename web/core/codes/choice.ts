/** The words of codes: which may stand where, and how they are chosen. The page alone loads them. */
import type { RandomBytes } from "./code.ts";
import { THREE_SYLLABLES, TWO_SYLLABLES } from "./words.ts";

export const DEFAULT_WORDS = 2; // 16 bits: one guess in 65536, and a wrong guess is noticed

/** The 256 words that may stand at a position; 0 is the first after the nameplate. */
export function wordsAt(position: number): readonly string[] {
    return position % 2 === 0 ? THREE_SYLLABLES : TWO_SYLLABLES;
}

/** Choose words at random, for a nameplate that the server chooses. */
export function chooseWords(random: RandomBytes): string {
    return Array.from(random(DEFAULT_WORDS), (byte, position) => wordsAt(position)[byte]).join("-");
}

/** A phone's keyboard capitalises; a code that somebody made up may have capitals on purpose. */
export function withoutCapitals(words: string): string {
    const small = words.toLowerCase();
    const listed = small.split("-").every((word, position) => wordsAt(position).includes(word));
    return listed ? small : words;
}
