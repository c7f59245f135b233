/** The dedicated worker of a browser: the platform, and the messages of the page. */
import type { PageMessage, SinkChoice } from "./messages.ts";
import type { Platform, Sink } from "./platform.ts";
import { DownloadSink } from "./sinks/download-sink.ts";
import { FileSink } from "./sinks/file-sink.ts";
import { MemorySink } from "./sinks/memory-sink.ts";
import { OriginPrivateSink } from "./sinks/origin-private-sink.ts";
import { TransferWorker } from "./transfer-worker.ts";

declare const self: DedicatedWorkerGlobalScope;

async function openSink(choice: SinkChoice, name: string, size: number): Promise<Sink> {
    switch (choice.kind) {
        case "file":
            return await FileSink.open(choice.handle);
        case "download":
            return await DownloadSink.open(choice.port, name);
        case "origin-private":
            return await OriginPrivateSink.open(name, size);
        case "memory":
            return new MemorySink(name, size);
    }
}

const platform: Platform = {
    openSocket: (url, protocols) => new WebSocket(url, [...protocols]),
    openSink,
    random: (size) => crypto.getRandomValues(new Uint8Array(size)),
    day: () => new Date().toISOString().slice(2, 10).replaceAll("-", ""),
    now: () => performance.now(),
    later: (milliseconds, call) => {
        const timer = setTimeout(call, milliseconds);
        return () => clearTimeout(timer);
    },
};

const worker = new TransferWorker(platform, (message) => self.postMessage(message));
self.addEventListener("message", ({ data }: MessageEvent<PageMessage>) => worker.handle(data));
self.addEventListener("online", () => worker.reconnect());
