/**
 * The service worker: answers `/receive/ID` once for each download that the page has announced, takes what a phone
 * shares at `/receive/share`, and says that the page is offline where it is. It caches nothing.
 */
import { Announcements } from "./announcements.ts";
import { makeResponse } from "./download.ts";
import type { ToServiceWorker } from "./messages.ts";
import { offlinePage } from "./offline.ts";
import { giveShare, takeShare } from "./share.ts";

declare const self: ServiceWorkerGlobalScope;

const DOWNLOAD = /\/receive\/([0-9a-f]{32})$/u;
const announcements = new Announcements();
const page = new URL("./", self.location.href);

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", ({ data }: { readonly data: ToServiceWorker }) => {
    if (data === "stay") return;
    if (data.type === "shared") data.port.postMessage(giveShare(data.id));
    else announcements.add(data);
});

self.addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    const id = DOWNLOAD.exec(url.pathname)?.[1];
    if (id !== undefined) {
        event.respondWith(answer(request, id));
    } else if (request.method === "POST" && url.pathname === `${page.pathname}receive/share`) {
        event.respondWith(takeShare(request, page));
    } else if (request.mode === "navigate" && url.pathname === page.pathname) {
        event.respondWith(fetch(request).catch(() => offlinePage(self.navigator.language)));
    }
    // Everything else is the server's to answer.
});

async function answer(request: Request, id: string): Promise<Response> {
    const announced = await announcements.take(id);
    if (announced === null) return fetch(request);
    if (announced.type === "download") return makeResponse(announced);
    announced.port.postMessage("started");
    return new Response(null, { status: 204 });
}
