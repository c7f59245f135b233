/** The first screen: choose what to send, or enter a code. */
import { fromInput } from "../files/chosen.ts";
import type { Page } from "../model.ts";
import { CodeField } from "./code-field.ts";
import { element } from "./dom.ts";
import { button, type Context, type View } from "./view.ts";

type Start = Extract<Page, { screen: "start" }>;

export function startView(context: Context, page: Start): View<Start> {
    const { texts, actions } = context;
    const field = new CodeField(context, page.code, submit);
    const problem = element("p", { class: "bad small", role: "alert" });
    const help = element("p", { id: "code-help", "aria-live": "polite" });

    function explain(invalid: boolean): void {
        field.invalid = invalid;
        help.className = invalid ? "bad small" : "dim small";
        help.textContent = texts.text(invalid ? "start.code.invalid" : page.linked ? "start.link.found" : "start.code.help");
    }

    function submit(): void {
        const { code } = field;
        if (code !== null) return actions.receive(code);
        explain(true);
        field.input.focus();
    }

    explain(false);
    field.input.addEventListener("input", () => explain(false));
    const choose = (label: "start.files" | "start.folder", attributes: Record<string, boolean>, look: string) => {
        const input = element("input", { type: "file", hidden: true, "aria-label": texts.text(label), ...attributes });
        input.addEventListener("change", () => {
            const content = fromInput(input.files ?? []);
            if (content === null) actions.complain("start.empty.folder");
            else actions.send(content);
        });
        return [button(texts.text(label), () => input.click(), look), input];
    };
    // Phones have no folders to choose.
    const folders = "webkitdirectory" in HTMLInputElement.prototype && !matchMedia("(hover: none)").matches;
    const verify = element("input", { type: "checkbox", id: "verify" });
    verify.addEventListener("change", () => actions.setVerify(verify.checked));
    const own = element("input", {
        type: "text",
        id: "own-code",
        placeholder: texts.text("start.code.hint"),
        autocomplete: "off",
        autocapitalize: "none",
    });
    own.addEventListener("input", () => actions.setOwnCode(own.value.trim()));
    const root = element(
        "div",
        {},
        element(
            "section",
            { class: "card", "aria-labelledby": "send-title" },
            element("h1", { id: "send-title", tabindex: "-1" }, texts.text("start.send")),
            element(
                "div",
                { class: "drop" },
                element("p", {}, texts.text("start.drop")),
                element(
                    "div",
                    { class: "row" },
                    ...choose("start.files", { multiple: true }, "primary"),
                    ...(folders ? choose("start.folder", { webkitdirectory: true }, "") : []),
                    button(texts.text("start.text"), () => actions.write("")),
                ),
            ),
            problem,
        ),
        element(
            "section",
            { class: "card", "aria-labelledby": "receive-title" },
            element("h2", { id: "receive-title" }, texts.text("start.receive")),
            help,
            element(
                "div",
                { class: "code-entry" },
                element("label", { for: "code", class: "visually-hidden" }, texts.text("start.code")),
                field.input,
                button(texts.text("start.receive.button"), submit, "primary"),
                field.list,
            ),
        ),
        element(
            "details",
            {},
            element("summary", {}, texts.text("start.options")),
            element("label", { class: "check" }, verify, texts.text("start.verify")),
            element("p", {}, element("label", { for: "own-code" }, texts.text("start.own.code")), own),
        ),
    );
    return {
        root,
        update: (shown) => {
            problem.textContent = shown.problem === null ? "" : texts.text(shown.problem);
        },
    };
}
