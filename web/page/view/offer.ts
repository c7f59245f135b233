/** The screen of an offer: what it is, and whether this browser can take it. */
import type { Transfer } from "../model.ts";
import { element } from "./dom.ts";
import { itemLine } from "./item.ts";
import { button, still, title, type Context, type TransferView } from "./view.ts";

export function offerView({ texts, actions, saving }: Context, transfer: Transfer): TransferView {
    const { offer, item } = transfer;
    const plan = offer === null ? null : saving.plan(offer.size);
    const save = button(texts.text("offer.save"), () => actions.save(), "primary");
    return still(
        element(
            "section",
            { class: "card" },
            title(texts.text("offer.title")),
            item === null ? null : itemLine(texts, item),
            plan === null ? null : element("p", { class: plan.kind === "none" ? "bad" : "dim small" }, planText()),
            element(
                "div",
                { class: "row" },
                plan?.kind === "none" ? null : save,
                button(texts.text("offer.refuse"), () => actions.refuse()),
            ),
        ),
    );

    function planText(): string {
        switch (plan?.kind) {
            case "file":
                return texts.text("offer.choose");
            case "memory":
                return texts.text("offer.memory");
            case "none":
                return texts.text("offer.too.large", { limit: texts.size(plan.limit) });
            default:
                return "";
        }
    }
}
