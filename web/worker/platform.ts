/**
 * What the worker needs of the place where it runs: a browser's dedicated worker, or Node in tests.
 *
 * Whatever these raise is a `TransferFailure` where the user can do something about it.
 */
import type { Bytes } from "../core/bytes.ts";
import type { Result, SinkChoice } from "./messages.ts";

/** A WebSocket, as far as it is used. */
export type Socket = Pick<
    WebSocket, "binaryType" | "bufferedAmount" | "onopen" | "onmessage" | "onclose" | "send" | "close"
>;

/** A place for what is received. */
export interface Sink {
    /** Take bytes; resolves when it takes more. The bytes are not the caller's any more. */
    write(bytes: Bytes): Promise<void>;
    /** Everything has come: make it the user's. */
    finish(): Promise<Result>;
    /** Remove what has come. */
    discard(): Promise<void>;
}

export interface Platform {
    /** Begin to connect. */
    openSocket(url: string, protocols: readonly string[]): Socket;
    /**
     * Prepare a place for so many bytes.
     *
     * @throws TransferFailure `too-large-here` or `disk-full`: there is none; `cancelled`: the user does not want it.
     */
    openSink(choice: SinkChoice, name: string, size: number): Promise<Sink>;
    random(size: number): Bytes;
    /** The day in UTC, as `YYMMDD`. */
    day(): string;
    /** Milliseconds on a clock that only runs forwards. */
    now(): number;
    /** Call a function after so many milliseconds; call what is returned not to. */
    later(milliseconds: number, call: () => void): () => void;
}

/** Wait for so many milliseconds. */
export function sleep(platform: Platform, milliseconds: number): Promise<void> {
    return new Promise((resolve) => void platform.later(milliseconds, resolve));
}
