/** The pictures of the page, drawn with lines in the colour of the text around them. */
import { generate } from "lean-qr/nano";
import { drawing } from "./dom.ts";

const PATHS = {
    file: "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zM14 3v5h5",
    folder: "M3 7a2 2 0 0 1 2-2h4l2 2.5h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z",
    text: "M5 6h14M5 10h14M5 14h14M5 18h8",
    done: "M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0zM8 12.3l2.8 2.7L16 9.6",
    failed: "M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0zM12 7.5v5.5M12 16.2v.1",
} as const;

export type Picture = keyof typeof PATHS;

/** Draw a picture that says nothing that the text beside it does not say. */
export function picture(name: Picture): SVGElement {
    const line = { fill: "none", stroke: "currentColor", "stroke-width": "1.8" };
    const ends = { "stroke-linecap": "round", "stroke-linejoin": "round" };
    const path = drawing("path", { d: PATHS[name], ...line, ...ends });
    return drawing("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, path);
}

/** Draw the QR code of a text, black on white in every colour scheme, with its quiet zone. */
export function qrCode(text: string, label: string): SVGElement {
    const code = generate(text);
    let path = "";
    for (let y = 0; y < code.size; y += 1) {
        for (let x = 0; x < code.size; x += 1) if (code.get(x, y)) path += `M${x} ${y}h1v1h-1z`;
    }
    const around = `-1 -1 ${code.size + 2} ${code.size + 2}`;
    const attributes = { viewBox: around, role: "img", "aria-label": label, "shape-rendering": "crispEdges" };
    return drawing("svg", attributes, drawing("path", { d: path, fill: "#000" }));
}
