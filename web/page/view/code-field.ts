/** The field for a code: what is typed is completed, what is pasted is understood. */
import { complete } from "../../core/codes/completion.ts";
import { parsePasted } from "../../core/codes/pasted.ts";
import { element } from "./dom.ts";
import type { Context } from "./view.ts";

const MOST_SUGGESTIONS = 6;

/** A combobox (ARIA 1.2) with a list of completions below it. */
export class CodeField {
    readonly input: HTMLInputElement;
    readonly list: HTMLUListElement;
    #suggestions: string[] = [];
    #active = -1;
    #nameplates: readonly string[] = [];

    constructor(private readonly context: Context, value: string, private readonly submit: () => void) {
        const { texts } = context;
        this.list = element("ul", {
            class: "suggestions",
            role: "listbox",
            id: "suggestions",
            "aria-label": texts.text("start.code.suggestions"),
        });
        this.input = element("input", {
            type: "text",
            id: "code",
            role: "combobox",
            placeholder: texts.text("start.code.hint"),
            autocomplete: "off",
            autocapitalize: "none",
            autocorrect: "off",
            spellcheck: "false",
            enterkeyhint: "go",
            "aria-autocomplete": "list",
            "aria-controls": "suggestions",
            "aria-expanded": "false",
            "aria-describedby": "code-help",
            onfocus: () => this.#prepare(),
            oninput: () => this.#suggest(),
            onkeydown: (event: KeyboardEvent) => this.#press(event),
            onpaste: (event: ClipboardEvent) => this.#paste(event),
        });
        this.input.value = value;
    }

    /** The code; null: what is in the field is none. */
    get code(): string | null {
        const typed = this.input.value.trim();
        return parsePasted(typed)?.code.toString() ?? null;
    }

    set invalid(invalid: boolean) {
        this.input.setAttribute("aria-invalid", String(invalid));
    }

    #prepare(): void {
        void this.context.actions.nameplates().then((nameplates) => {
            this.#nameplates = nameplates;
            this.#suggest();
        });
    }

    #suggest(): void {
        const typed = this.input.value.trim();
        const all = typed === "" ? [] : complete(typed, this.#nameplates).filter((each) => each !== typed);
        this.#show(all.length <= 64 || typed.includes("-") ? all.slice(0, MOST_SUGGESTIONS) : []);
    }

    #show(suggestions: string[]): void {
        this.#suggestions = suggestions;
        this.#active = -1;
        this.list.replaceChildren(
            ...suggestions.map((text, place) =>
                element(
                    "li",
                    {
                        role: "option",
                        id: `suggestion-${place}`,
                        "aria-selected": "false",
                        // Before the field loses the focus.
                        onpointerdown: (event: PointerEvent) => {
                            event.preventDefault();
                            this.#choose(place);
                        },
                    },
                    lastPart(text),
                ),
            ),
        );
        this.input.setAttribute("aria-expanded", String(suggestions.length > 0));
        this.input.removeAttribute("aria-activedescendant");
    }

    #press(event: KeyboardEvent): void {
        const { length } = this.#suggestions;
        if (event.key === "Enter") {
            event.preventDefault();
            if (this.#active >= 0) this.#choose(this.#active);
            else this.submit();
        } else if (event.key === "Tab" && !event.shiftKey && length > 0) {
            event.preventDefault();
            this.#choose(Math.max(0, this.#active));
        } else if (event.key === "Escape") {
            this.#show([]);
        } else if (length > 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
            event.preventDefault();
            this.#activate((this.#active + (event.key === "ArrowDown" ? 1 : length - (this.#active < 0 ? 0 : 1))) % length);
        }
    }

    #activate(place: number): void {
        this.#active = place;
        [...this.list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === place)));
        this.input.setAttribute("aria-activedescendant", `suggestion-${place}`);
    }

    #choose(place: number): void {
        this.input.value = this.#suggestions[place] ?? this.input.value;
        this.input.focus();
        this.#suggest();
    }

    #paste(event: ClipboardEvent): void {
        const pasted = parsePasted(event.clipboardData?.getData("text/plain") ?? "");
        if (pasted === null) return;
        event.preventDefault();
        this.input.value = pasted.code.toString();
        this.#show([]);
    }
}

/** Of `4-bravado-` the part `bravado`. */
function lastPart(code: string): string {
    return code.replace(/-$/u, "").split("-").pop() ?? code;
}
