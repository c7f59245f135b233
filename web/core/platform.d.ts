/** What the core uses that is not part of the language: the same in browsers and in Node. */
declare class TextEncoder {
    encode(text: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
    constructor(label: "utf-8", options: { readonly fatal: boolean; readonly ignoreBOM: boolean });
    decode(bytes: Uint8Array): string;
}
