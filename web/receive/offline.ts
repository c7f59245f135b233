/** The page that an installed application shows without a network. */

const TEXTS = { en: "No connection to the server.", de: "Keine Verbindung zum Server." } as const;

/** Make the response, in one of the languages of the page. */
export function offlinePage(language: string): Response {
    const known = language.startsWith("de") ? "de" : "en";
    const head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Offline</title>';
    return new Response(`<!DOCTYPE html><html lang="${known}">${head}<h1>${TEXTS[known]}</h1></html>`, {
        status: 503,
        headers: { "Content-Type": "text/html", "Content-Security-Policy": "default-src 'none'" },
    });
}
