/** The screen of bytes that move. */
import { secondsLeft, type Transfer } from "../model.ts";
import { element } from "./dom.ts";
import { itemLine } from "./item.ts";
import { button, title, type Context, type TransferView } from "./view.ts";

export function progressView({ texts, actions }: Context, first: Transfer): TransferView {
    const sends = first.role === "send";
    const bar = element("progress", { "aria-labelledby": "progress-title" });
    const heading = title("");
    heading.id = "progress-title";
    const [done, rate, left] = [element("span"), element("span"), element("span")];
    const root = element(
        "section",
        { class: "card" },
        heading,
        first.item === null ? null : itemLine(texts, first.item),
        bar,
        element("p", { class: "figures" }, done, rate, left),
        element("p", { class: "small dim" }, texts.text("progress.keep.open")),
        element("div", { class: "row" }, button(texts.text("cancel"), () => actions.cancel())),
    );

    function update({ state, progress }: Transfer): void {
        const { moved, total } = progress;
        heading.textContent = texts.text(
            state === "transit"
                ? "progress.connecting"
                : state === "acknowledged" || (total > 0 && moved >= total)
                  ? "progress.finishing"
                  : sends
                    ? "progress.sending"
                    : "progress.receiving",
        );
        if (state === "transit" || total === 0) {
            bar.removeAttribute("value"); // a browser shows that something is going on
        } else {
            bar.max = total;
            bar.value = moved;
        }
        done.textContent = total === 0 ? "" : texts.text("progress.of", { done: texts.size(moved), total: texts.size(total) });
        rate.textContent = progress.rate === null ? "" : texts.text("progress.rate", { rate: texts.size(progress.rate) });
        const seconds = secondsLeft(progress);
        left.textContent = seconds === null ? "" : texts.text("progress.left", { time: texts.duration(seconds) });
    }

    update(first);
    return { root, update };
}
