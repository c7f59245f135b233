/** Puts the page together. */
import { parsePasted } from "../core/codes/pasted.ts";
import { App } from "./app.ts";
import { Engine } from "./engine.ts";
import { Downloads } from "./files/downloads.ts";
import { Saving } from "./files/saving.ts";
import { sharedId, takeShared } from "./files/shared.ts";
import { readFacts, serversOf } from "./server.ts";
import { chooseLanguage, Translator, type Language } from "./texts/texts.ts";
import { frameTexts } from "./view/frame.ts";

const CHOSEN_LANGUAGE = "language";

async function start(): Promise<void> {
    const facts = readFacts();
    const languages = [chosenLanguage(), ...navigator.languages];
    const texts = await Translator.load(chooseLanguage(languages));
    const receiving = new URL("receive/", document.baseURI).href;
    const saving = new Saving(new Downloads(facts.assets.serviceWorker, receiving));
    const app = new App({
        texts,
        facts,
        saving,
        place: found("screen"),
        announcer: found("announcer"),
        makeEngine: (hear) => new Engine(facts.assets.worker, serversOf(facts), hear),
        now: () => performance.now() / 1000,
    });
    frameTexts(texts, (language: Language) => {
        localStorage.setItem(CHOSEN_LANGUAGE, language);
        location.reload();
    });
    const linked = parsePasted(location.href)?.code.toString() ?? null;
    const shared = sharedId(location.hash);
    // The code is not left in the address bar, nor in the history.
    if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
    app.start(linked);
    if (shared !== null) app.take(await takeShared(shared));
    saving.prepare();
}

/** The language that was chosen before; browsers that keep nothing for pages raise. */
function chosenLanguage(): string {
    try {
        return localStorage.getItem(CHOSEN_LANGUAGE) ?? "";
    } catch {
        return "";
    }
}

function found(id: string): HTMLElement {
    const element = document.getElementById(id);
    if (element === null) throw new Error(`the page has no ${id}`);
    return element;
}

void start();
