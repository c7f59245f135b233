/** The two ends of a transfer: done and failed. */
import { linkTo } from "../files/saving.ts";
import type { Page } from "../model.ts";
import type { TextKey, Translator } from "../texts/texts.ts";
import { element } from "./dom.ts";
import { picture } from "./pictures.ts";
import { itemLine } from "./item.ts";
import { button, copyButton, still, title, type Context, type View } from "./view.ts";

type Done = Extract<Page, { screen: "done" }>;
type Failed = Extract<Page, { screen: "failed" }>;

export function doneView(context: Context, page: Done): View<Done> {
    const { texts, actions } = context;
    const sent = page.result.kind === "sent";
    return still(
        element(
            "section",
            { class: "card" },
            element(
                "div",
                { class: "titled good" },
                picture("done"),
                title(texts.text(sent ? "done.sent" : page.result.kind === "text" ? "done.text" : "done.received")),
            ),
            ...result(texts, page),
            element("div", { class: "row" }, button(texts.text("done.again"), () => actions.again())),
        ),
    );
}

function result(texts: Translator, { result, transfer }: Done): HTMLElement[] {
    switch (result.kind) {
        case "sent": {
            const { item } = transfer;
            if (item === null || item.size === null) return [element("p", { class: "dim" }, texts.text("done.sent.text"))];
            return [element("p", { class: "dim" }, texts.text("done.sent.help", { name: item.name })), itemLine(texts, item)];
        }
        case "text":
            return [
                element("p", { class: "received", tabindex: "0", id: "received" }, result.text),
                element("div", { class: "row" }, copyButton(texts, "done.copy", () => result.text)),
            ];
        case "saved":
            return [element("p", { class: "dim" }, texts.text("done.saved", { name: result.name }))];
        case "file": {
            const link = linkTo(result.name, result.file);
            link.className = "button primary";
            link.textContent = texts.text("done.download", { name: result.name });
            return [element("div", { class: "row" }, link)];
        }
    }
}

export function failedView({ texts, actions }: Context, page: Failed): View<Failed> {
    const { reason, transfer } = page;
    const { item, progress } = transfer;
    const values = { detail: page.text ?? "–", done: texts.size(progress.moved), total: texts.size(item?.size ?? 0) };
    const what: TextKey = `failed.${reason}`;
    const cancelled = reason === "cancelled";
    return still(
        element(
            "section",
            { class: "card" },
            element(
                "div",
                { class: cancelled ? "titled" : "titled bad" },
                picture("failed"),
                title(texts.text(cancelled ? "failed.cancelled.title" : "failed.title")),
            ),
            element("p", { id: "reason" }, texts.text(what, values)),
            element("p", { class: "dim" }, texts.text(`${what}.do`)),
            element("div", { class: "row" }, button(texts.text("again"), () => actions.again(), "primary")),
        ),
    );
}
