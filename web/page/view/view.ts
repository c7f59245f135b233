/** What the screens have in common. */
import type { Content } from "../../worker/messages.ts";
import type { Saving } from "../files/saving.ts";
import type { Transfer } from "../model.ts";
import type { ServerFacts } from "../server.ts";
import type { TextKey, Translator } from "../texts/texts.ts";
import { element } from "./dom.ts";

/** What the user can do. */
export interface Actions {
    send(content: Content): void;
    receive(code: string): void;
    /** Write a text that is to be sent. */
    write(text: string): void;
    back(): void;
    again(): void;
    compared(same: boolean): void;
    save(): void;
    refuse(): void;
    cancel(): void;
    /** Say what is wrong with what was chosen. */
    complain(problem: TextKey): void;
    /** Whether verifiers are to be compared in the next transfer. */
    setVerify(verify: boolean): void;
    /** The code that the next sender uses; empty: one that is made for it. */
    setOwnCode(code: string): void;
    /** The nameplates that the server lists; may take a moment, and may be none. */
    nameplates(): Promise<readonly string[]>;
}

export interface Context {
    readonly texts: Translator;
    readonly actions: Actions;
    readonly facts: ServerFacts;
    readonly saving: Saving;
}

/** A screen: `root` is in the page; `update` shows what has changed since. */
export interface View<Shown> {
    readonly root: HTMLElement;
    update(shown: Shown): void;
}

export type TransferView = View<Transfer>;

/** A button. */
export function button(label: string, act: () => void, className = ""): HTMLButtonElement {
    return element("button", { type: "button", class: className || null, onclick: act }, label);
}

/** The title of a screen, which the focus moves to when the screen appears. */
export function title(text: string): HTMLHeadingElement {
    return element("h1", { tabindex: "-1" }, text);
}

/** A screen that never changes. */
export function still<Shown>(root: HTMLElement): View<Shown> {
    return { root, update: () => undefined };
}

/** A button that copies a text, and says that it has. */
export function copyButton(texts: Translator, label: TextKey, text: () => string): HTMLButtonElement {
    const made = button(texts.text(label), () => {
        void copy(text()).then(() => {
            made.textContent = texts.text("waiting.copied");
            setTimeout(() => (made.textContent = texts.text(label)), 2000);
        });
    });
    made.setAttribute("aria-live", "polite");
    return made;
}

async function copy(text: string): Promise<void> {
    if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
    // On plain http there is no clipboard for pages; the old way works on a user's click.
    const field = element("textarea", { class: "visually-hidden" });
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
}
