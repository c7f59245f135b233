/** The screen on which a text is written. */
import type { Page } from "../model.ts";
import { element } from "./dom.ts";
import { button, still, title, type Context, type View } from "./view.ts";

type Writing = Extract<Page, { screen: "text" }>;

export function textView({ texts, actions }: Context, page: Writing): View<Writing> {
    const area = element("textarea", { id: "text", autofocus: true });
    area.value = page.text;
    const send = button(
        texts.text("text.send"),
        () => actions.send({ kind: "text", text: area.value }),
        "primary",
    );
    const check = (): void => {
        send.disabled = area.value === "";
    };
    area.addEventListener("input", check);
    check();
    return still(
        element(
            "section",
            { class: "card" },
            title(texts.text("text.title")),
            element("p", {}, element("label", { for: "text" }, texts.text("text.label")), area),
            element("div", { class: "row" }, send, button(texts.text("text.back"), () => actions.back())),
        ),
    );
}
