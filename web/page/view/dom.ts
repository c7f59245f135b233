/** Elements in one call. Text is always set as text: nothing that others wrote becomes markup. */
type Attribute = string | boolean | null | ((event: never) => void);
type Child = Node | string | null;

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @param attributes `onEVENT` adds a listener; true is an attribute without a value; false and null are left
 *     out.
 */
export function element<Name extends keyof HTMLElementTagNameMap>(
    name: Name,
    attributes: Readonly<Record<string, Attribute>> = {},
    ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
    return fill(document.createElement(name), attributes, children);
}

/** Make an SVG element. */
export function drawing<Name extends keyof SVGElementTagNameMap>(
    name: Name,
    attributes: Readonly<Record<string, string>>,
    ...children: readonly SVGElement[]
): SVGElementTagNameMap[Name] {
    return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill<Made extends Element>(
    made: Made,
    attributes: Readonly<Record<string, Attribute>>,
    children: readonly Child[],
): Made {
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") made.addEventListener(name.slice(2), value as EventListener);
        else if (value === true) made.setAttribute(name, "");
        else if (typeof value === "string") made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
}
