/** The page at work: events change the state, the state makes the screen, actions reach the worker. */
import { chooseWords } from "../core/codes/choice.ts";
import { Code } from "../core/codes/code.ts";
import type { Content, WorkerMessage } from "../worker/messages.ts";
import type { Engine } from "./engine.ts";
import { describe, fromTransfer } from "./files/chosen.ts";
import type { Saving } from "./files/saving.ts";
import { reduce, START, stepOf, type Event, type Page } from "./model.ts";
import { Presence } from "./presence.ts";
import type { ServerFacts } from "./server.ts";
import type { TextKey, Translator } from "./texts/texts.ts";
import { doneView, failedView } from "./view/ends.ts";
import { startView } from "./view/start.ts";
import { textView } from "./view/text.ts";
import { transferView } from "./view/transfer.ts";
import type { Actions, Context, View } from "./view/view.ts";

/** What the page is made of. `place` is the element that shows the screen; `now` is in seconds. */
export interface Parts {
    readonly texts: Translator;
    readonly facts: ServerFacts;
    readonly saving: Saving;
    readonly place: HTMLElement;
    readonly announcer: HTMLElement;
    readonly makeEngine: (hear: (message: WorkerMessage) => void) => Engine;
    readonly now: () => number;
}

export class App implements Actions {
    #page: Page = START;
    #shown: View<Page> | null = null;
    #shownAs = "";
    #verify = false;
    #ownCode = "";
    readonly #engine: Engine;
    readonly #context: Context;
    readonly #presence: Presence;

    constructor(private readonly parts: Parts) {
        const { texts, facts, saving } = parts;
        this.#engine = parts.makeEngine((message) => this.#hear(message));
        this.#context = { texts, facts, saving, actions: this };
        this.#presence = new Presence(parts.announcer);
    }

    /** Show the first screen, with the code of a link if there is one. */
    start(code: string | null): void {
        if (code !== null) this.#page = reduce(this.#page, { type: "linked", code });
        this.#show(false);
        this.#takeDrops();
    }

    send(content: Content): void {
        const own = Code.parse(this.#ownCode)?.toString() ?? null;
        if (own === null && this.#ownCode !== "") return this.#change({ type: "problem", problem: "start.code.invalid" });
        this.#ownCode = "";
        this.#change({ type: "begin", role: "send", item: describe(content), verify: this.#verify });
        const code = own ?? { words: chooseWords((size) => crypto.getRandomValues(new Uint8Array(size))) };
        this.#engine.begin({ type: "send", content, code }, this.#verify);
    }

    receive(code: string): void {
        this.#change({ type: "begin", role: "receive", code, verify: this.#verify });
        this.#engine.begin({ type: "receive", code }, this.#verify);
    }

    write(text: string): void {
        this.#change({ type: "write", text });
    }

    back(): void {
        this.#change({ type: "back" });
    }

    again(): void {
        this.#engine.end();
        this.#change({ type: "again" });
    }

    compared(same: boolean): void {
        this.#engine.say({ type: "compared", same });
        this.#change({ type: "compared" });
    }

    save(): void {
        void this.#saveOffer();
    }

    refuse(): void {
        this.#engine.say({ type: "reject" });
    }

    cancel(): void {
        this.#engine.say({ type: "cancel" });
    }

    complain(problem: TextKey): void {
        this.#change({ type: "problem", problem });
    }

    setVerify(verify: boolean): void {
        this.#verify = verify;
    }

    setOwnCode(code: string): void {
        this.#ownCode = code;
    }

    nameplates(): Promise<readonly string[]> {
        return this.#engine.nameplates(this.#verify);
    }

    async #saveOffer(): Promise<void> {
        const offer = this.#page.screen === "transfer" ? this.#page.transfer.offer : null;
        if (offer === null) return;
        const sink = await this.parts.saving.open(offer);
        if (sink === null) return;
        this.#change({ type: "accepted" });
        this.#engine.say({ type: "accept", sink }, sink.kind === "download" ? [sink.port] : []);
    }

    #hear(message: WorkerMessage): void {
        this.#change({ type: "worker", message, at: this.parts.now() });
    }

    #change(event: Event): void {
        this.#page = reduce(this.#page, event);
        if (this.#page.screen !== "transfer") this.parts.saving.end();
        this.#show(true);
    }

    #show(moveFocus: boolean): void {
        const key = keyOf(this.#page);
        if (this.#shown === null || key !== this.#shownAs) {
            this.#shown = makeView(this.#context, this.#page);
            this.#shownAs = key;
            this.parts.place.replaceChildren(this.#shown.root);
            const first = this.#shown.root.querySelector<HTMLElement>("[autofocus]") ?? this.#shown.root.querySelector("h1");
            if (moveFocus) first?.focus();
        } else {
            this.#shown.update(this.#page);
        }
        this.#presence.show(this.#page);
    }

    /** Files can be dropped, and pasted, anywhere on the first screen. */
    #takeDrops(): void {
        const { body } = document;
        const take = (event: DragEvent): boolean => {
            event.preventDefault(); // a file that misses is not opened in place of the page
            return this.#page.screen === "start";
        };
        body.addEventListener("dragover", (event) => body.classList.toggle("dragging", take(event)));
        body.addEventListener("dragleave", (event) => {
            if (event.relatedTarget === null) body.classList.remove("dragging");
        });
        body.addEventListener("drop", (event) => {
            body.classList.remove("dragging");
            if (take(event) && event.dataTransfer !== null) void this.#takeTransfer(event.dataTransfer);
        });
        body.addEventListener("paste", (event) => {
            const inField = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
            if (inField || this.#page.screen !== "start" || event.clipboardData === null) return;
            event.preventDefault();
            void this.#takeTransfer(event.clipboardData);
        });
    }

    async #takeTransfer(transfer: DataTransfer): Promise<void> {
        this.take(await fromTransfer(transfer));
    }

    /** Send what was dropped, pasted or shared. */
    take(content: Content | null): void {
        if (this.#page.screen !== "start") return;
        if (content === null) this.complain("start.empty.folder");
        else if (content.kind === "text") this.write(content.text); // to be looked at first
        else this.send(content);
    }
}

/** Two states with the same key are shown by the same view. */
function keyOf(page: Page): string {
    return page.screen === "transfer" ? `${stepOf(page.transfer)} ${page.transfer.code ?? ""}` : page.screen;
}

function makeView(context: Context, page: Page): View<Page> {
    switch (page.screen) {
        case "start":
            return only("start", startView(context, page));
        case "text":
            return only("text", textView(context, page));
        case "done":
            return only("done", doneView(context, page));
        case "failed":
            return only("failed", failedView(context, page));
        case "transfer": {
            const { root, update } = transferView(context, page.transfer);
            return { root, update: (shown) => shown.screen === "transfer" && update(shown.transfer) };
        }
    }
}

function only<Screen extends Page["screen"]>(
    screen: Screen,
    { root, update }: View<Extract<Page, { screen: Screen }>>,
): View<Page> {
    return {
        root,
        update: (shown) => {
            if (shown.screen === screen) update(shown as Extract<Page, { screen: Screen }>);
        },
    };
}
