/** The texts of the page, in the language of the reader. */
import type { Texts } from "./en.ts";

export type TextKey = keyof Texts;

/** The languages that there are, each with its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;

export type Language = keyof typeof LANGUAGES;

/** The catalogues; a browser loads one of them. */
export const CATALOGUES: Readonly<Record<Language, () => Promise<Texts>>> = {
    en: async () => (await import("./en.ts")).en,
    de: async () => (await import("./de.ts")).de,
};

/** Choose the first of the reader's languages that there is a catalogue for; English if there is none. */
export function chooseLanguage(preferred: readonly string[]): Language {
    const known = preferred.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => Object.hasOwn(LANGUAGES, tag));
    return (known ?? "en") as Language;
}

/** Looks texts up, and writes numbers, sizes and times as the language has them. */
export class Translator {
    constructor(readonly language: Language, private readonly catalogue: Texts) {}

    /** Make one, as soon as the browser has loaded the texts. */
    static async load(language: Language): Promise<Translator> {
        return new Translator(language, await CATALOGUES[language]());
    }

    /** Return a text; each `{name}` in it is replaced by the value of that name. */
    text(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
        return this.catalogue[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
    }

    /** Write a number of bytes in decimal units, as browsers and file managers do. */
    size(bytes: number): string {
        const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
        let power = 0;
        while (power < units.length - 1 && bytes >= 999.5 * 1000 ** power) power += 1;
        const value = bytes / 1000 ** power;
        return new Intl.NumberFormat(this.language, {
            style: "unit",
            unit: units[power] ?? "byte",
            unitDisplay: power === 0 ? "long" : "short",
            maximumFractionDigits: power === 0 || value >= 99.5 ? 0 : 1,
        }).format(value);
    }

    /** Write a duration to the second, the minute or the hour, whatever it is long enough for. */
    duration(seconds: number): string {
        if (seconds < 60) return this.text("time.seconds", { count: Math.max(1, Math.round(seconds)) });
        const minutes = Math.round(seconds / 60);
        if (minutes < 60) return this.text("time.minutes", { count: minutes });
        return this.text("time.hours", { count: Math.floor(minutes / 60), minutes: minutes % 60 });
    }

    /** Say how many files there are. */
    files(count: number): string {
        return count === 1 ? this.text("items.one") : this.text("items.files", { count: this.number(count) });
    }

    private number(value: number): string {
        return new Intl.NumberFormat(this.language).format(value);
    }
}
