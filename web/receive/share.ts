/**
 * What a phone's share sheet hands over: a form, which waits here until the page that it opens asks for it.
 */
import type { SharedForm } from "./messages.ts";

const waiting = new Map<string, SharedForm>();

/** Keep what is shared, and open the page, which finds its name in the fragment. */
export async function takeShare(request: Request, page: URL): Promise<Response> {
    const form = await request.formData();
    const parts = ["title", "text", "url"].map((name) => form.get(name)).filter((part) => typeof part === "string");
    const id = crypto.randomUUID();
    waiting.set(id, {
        // A form without a file has one without a name.
        files: form.getAll("files").filter((file): file is File => file instanceof File && file.name !== ""),
        text: parts.filter((part) => part !== "").join("\n"),
    });
    const shown = new URL(page);
    shown.hash = `shared=${id}`;
    return Response.redirect(shown.href, 303);
}

/** Hand out what was shared, once; null: it is gone. */
export function giveShare(id: string): SharedForm | null {
    const form = waiting.get(id) ?? null;
    waiting.delete(id);
    return form;
}
