/** What is around the screen: it comes with the page in English, and is put into the reader's language. */
import { LANGUAGES, type Language, type TextKey, type Translator } from "../texts/texts.ts";
import { element } from "./dom.ts";

/** Elements with `data-text` have the text of that key. `choose` is called with another language. */
export function frameTexts(texts: Translator, choose: (language: Language) => void): void {
    document.documentElement.lang = texts.language;
    for (const each of document.querySelectorAll<HTMLElement>("[data-text]")) {
        each.textContent = texts.text(each.dataset["text"] as TextKey);
    }
    const select = element(
        "select",
        { id: "language" },
        ...Object.entries(LANGUAGES).map(([language, name]) =>
            element("option", { value: language, lang: language, selected: language === texts.language }, name),
        ),
    );
    select.addEventListener("change", () => choose(select.value as Language));
    const label = element("label", { for: "language", class: "visually-hidden" }, texts.text("app.language"));
    document.getElementById("languages")?.append(label, select);
}
