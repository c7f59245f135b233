/** The worker's platform in Node: sockets of `ws`, and files for what is received. */
import { randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { WebSocket } from "ws";
import { TransferFailure } from "../../core/session/failure.ts";
import type { Platform, Sink, Socket } from "../../worker/platform.ts";

/** `choice` is `{kind: "file", handle: PATH}`, or `{kind: "memory"}` for a place that is always too small. */
async function openSink(choice: { kind: string; handle?: unknown }, name: string): Promise<Sink> {
    if (choice.kind !== "file") throw new TransferFailure("too-large-here");
    const path = String(choice.handle);
    const file = await open(path, "w");
    const full = (error: Error): never => {
        throw new TransferFailure("disk-full", error.message);
    };
    return {
        write: (bytes) => file.writeFile(bytes).catch(full),
        finish: async () => {
            await file.close();
            return { kind: "saved", name };
        },
        discard: async () => {
            await file.close();
            await rm(path, { force: true });
        },
    };
}

export const nodePlatform: Platform = {
    openSocket: (url, protocols) => {
        const socket = new WebSocket(url, [...protocols], { perMessageDeflate: false });
        socket.on("error", () => undefined); // the close that follows says it
        return socket as unknown as Socket;
    },
    openSink,
    random: (size) => new Uint8Array(randomBytes(size)),
    day: () => new Date().toISOString().slice(2, 10).replaceAll("-", ""),
    now: () => performance.now(),
    later: (milliseconds, call) => {
        const timer = setTimeout(call, milliseconds).unref(); // stdin keeps the program running
        return () => clearTimeout(timer);
    },
};
