/** What a phone's share sheet has handed to the service worker; see receive/share.ts. */
import type { SharedForm, ToServiceWorker } from "../../receive/messages.ts";
import type { Content } from "../../worker/messages.ts";
import { fromInput } from "./chosen.ts";

const FRAGMENT = /^#shared=([0-9a-f-]{36})$/u;

/** Whether a fragment names something that was shared; then its id. */
export function sharedId(fragment: string): string | null {
    return FRAGMENT.exec(fragment)?.[1] ?? null;
}

/** Ask the service worker for it; null: it is gone, or empty. */
export async function takeShared(id: string): Promise<Content | null> {
    const worker = navigator.serviceWorker?.controller;
    if (!worker) return null;
    const { port1, port2 } = new MessageChannel();
    const asked = new Promise<SharedForm | null>((resolve) => {
        port1.onmessage = ({ data }: MessageEvent<SharedForm | null>) => resolve(data);
    });
    worker.postMessage({ type: "shared", id, port: port2 } satisfies ToServiceWorker, [port2]);
    const form = await asked;
    if (form === null) return null;
    return fromInput(form.files) ?? (form.text === "" ? null : { kind: "text", text: form.text });
}
