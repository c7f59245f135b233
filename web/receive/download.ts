/** One download: a response whose bytes come through a channel, as fast as the browser takes them. */
import type { Announcement, FromDownload, ToDownload } from "./messages.ts";

const QUEUE = 2 ** 20; // bytes that may wait here for the browser

/** Make the response. It always has its length: without one, a download that is cut looks complete. */
export function makeResponse({ name, size, port }: Announcement): Response {
    const tell = (message: FromDownload): void => port.postMessage(message);
    let asked = 0; // bytes that were asked for and have not come
    const body = new ReadableStream<Uint8Array>({
        start(controller) {
            port.onmessage = ({ data }: MessageEvent<ToDownload>) => {
                if (data === "end") controller.close();
                else if (data === "failed") controller.error(new Error("the transfer failed"));
                else {
                    asked -= data.length;
                    controller.enqueue(data);
                }
            };
            tell("started");
        },
        pull(controller) {
            const more = (controller.desiredSize ?? 0) - Math.max(0, asked);
            if (more <= 0) return;
            asked += more;
            tell({ take: more });
        },
        cancel() {
            tell("cancelled");
            port.close();
        },
    }, new ByteLengthQueuingStrategy({ highWaterMark: QUEUE }));
    return new Response(body, { headers: headersOf(name, size) });
}

function headersOf(name: string, size: number): Record<string, string> {
    const encoded = encodeURIComponent(name).replace(/['()*]/gu, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": `attachment; filename*=UTF-8''${encoded}`,
        "Content-Length": String(size),
        "Content-Security-Policy": "default-src 'none'",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    };
}
