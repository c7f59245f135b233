/** The line that says what is sent or received. */
import type { Item } from "../model.ts";
import type { Translator } from "../texts/texts.ts";
import { element } from "./dom.ts";
import { picture, type Picture } from "./pictures.ts";

/** A picture, a name and a size. */
export function itemLine(texts: Translator, item: Item): HTMLElement {
    if (item.size === null) return line("text", texts.text("items.text"), "");
    const size = texts.size(item.size);
    if (item.files === 1) return line("file", item.name, size);
    return line("folder", item.name, `${texts.files(item.files)} · ${size}`);
}

function line(image: Picture, name: string, detail: string): HTMLElement {
    const words = element("div", {}, element("b", {}, name), element("span", {}, detail));
    return element("div", { class: "item" }, picture(image), words);
}
