/** The screens of a transfer, from the connection to the last byte. */
import { stepOf, type Step, type Transfer } from "../model.ts";
import { linkOf } from "../server.ts";
import { element } from "./dom.ts";
import { itemLine } from "./item.ts";
import { offerView } from "./offer.ts";
import { qrCode } from "./pictures.ts";
import { progressView } from "./progress.ts";
import { button, copyButton, still, title, type Context, type TransferView, type View } from "./view.ts";

const VIEWS: Readonly<Record<Step, (context: Context, transfer: Transfer) => TransferView>> = {
    connecting: connectingView,
    waiting: waitingView,
    checking: (context) => busyView(context, "keys.title"),
    verify: verifyView,
    asked: askedView,
    offer: offerView,
    progress: progressView,
};

/** The screen of a transfer's step, which knows when there is no connection to the server. */
export function transferView(context: Context, transfer: Transfer): View<Transfer> {
    const { texts } = context;
    const view = VIEWS[stepOf(transfer)](context, transfer);
    const lost = element("p", { class: "bad small", role: "status" });
    view.root.firstElementChild?.after(lost); // below the title
    const update = (shown: Transfer): void => {
        lost.textContent = shown.connected ? "" : texts.text("connecting.lost");
        view.update(shown);
    };
    update(transfer);
    return { root: view.root, update };
}

function connectingView(context: Context): TransferView {
    return busyView(context, "connecting.title");
}

function busyView({ texts, actions }: Context, key: "connecting.title" | "keys.title"): TransferView {
    return still(
        element(
            "section",
            { class: "card" },
            element("div", { class: "titled" }, element("span", { class: "spinner", "aria-hidden": "true" }), title(texts.text(key))),
            element("div", { class: "row" }, button(texts.text("cancel"), () => actions.cancel())),
        ),
    );
}

function waitingView(context: Context, transfer: Transfer): TransferView {
    const { texts, actions } = context;
    const { code } = transfer;
    if (transfer.role === "receive" || code === null) {
        return still(
            element(
                "section",
                { class: "card" },
                element("div", { class: "titled" }, element("span", { class: "spinner", "aria-hidden": "true" }), title(texts.text("waiting.receive"))),
                code === null ? null : element("p", { class: "dim" }, texts.text("waiting.receive.code", { code })),
                element("div", { class: "row" }, button(texts.text("cancel"), () => actions.cancel())),
            ),
        );
    }
    const link = linkOf(code);
    const share =
        "share" in navigator
            ? button(texts.text("waiting.share"), () => void navigator.share({ url: link }).catch(() => undefined))
            : null;
    return still(
        element(
            "section",
            { class: "card" },
            title(texts.text("waiting.title")),
            element("p", { class: "dim" }, texts.text("waiting.tell")),
            element("p", { class: "code", id: "the-code" }, code),
            element(
                "div",
                { class: "row share" },
                copyButton(texts, "waiting.copy", () => code),
                copyButton(texts, "waiting.copy.link", () => link),
                share,
            ),
            element(
                "div",
                { class: "pair" },
                element(
                    "div",
                    {},
                    element("p", { class: "small" }, texts.text("waiting.there")),
                    commandText(link),
                    element("p", { class: "small dim" }, texts.text("waiting.once")),
                ),
                element("div", { class: "qr" }, qrCode(link, texts.text("waiting.qr"))),
            ),
            ...receiveCommand(context, code),
            transfer.item === null ? null : itemLine(texts, transfer.item),
            element("div", { class: "row" }, button(texts.text("cancel"), () => actions.cancel())),
        ),
    );
}

function receiveCommand({ texts, facts }: Context, code: string): HTMLElement[] {
    if (facts.receiveCommand === null) return [];
    return [
        element("p", { class: "small" }, texts.text("waiting.command")),
        commandText(`${facts.receiveCommand} ${code}`),
    ];
}

/** A text to be copied. A browser would break words at their hyphens: each word, and a code, is an element of its own. */
function commandText(text: string): HTMLElement {
    const parts = text.split(/( )|(?=#)/u);
    return element("pre", {}, ...parts.map((part) => (part === " " ? part : element("span", {}, part ?? ""))));
}

function verifyView({ texts, actions }: Context, transfer: Transfer): TransferView {
    const groups = (transfer.verifier ?? "").match(/.{8}/gu) ?? [];
    return still(
        element(
            "section",
            { class: "card" },
            title(texts.text("verify.title")),
            element("p", { class: "dim" }, texts.text("verify.help")),
            element("ol", { class: "verifier" }, ...groups.map((group) => element("li", {}, group))),
            element(
                "div",
                { class: "row" },
                button(texts.text("verify.same"), () => actions.compared(true), "primary"),
                button(texts.text("verify.different"), () => actions.compared(false)),
            ),
        ),
    );
}

function askedView({ texts, actions }: Context, transfer: Transfer): TransferView {
    const name = transfer.item === null || transfer.item.size === null ? texts.text("items.text") : transfer.item.name;
    return still(
        element(
            "section",
            { class: "card" },
            element("div", { class: "titled" }, element("span", { class: "spinner", "aria-hidden": "true" }), title(texts.text("sent.title"))),
            element("p", { class: "dim" }, texts.text("sent.help", { name })),
            transfer.item === null ? null : itemLine(texts, transfer.item),
            element("div", { class: "row" }, button(texts.text("cancel"), () => actions.cancel())),
        ),
    );
}
