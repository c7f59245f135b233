/** A download of the browser: the service worker answers it with what comes through a channel. */
import { TransferFailure } from "../../core/session/failure.ts";
import type { FromDownload, ToDownload } from "../../receive/messages.ts";
import type { Result } from "../messages.ts";
import type { Sink } from "../platform.ts";

const START_TIME = 10_000; // milliseconds for the browser to ask for the response

/** A `MessagePort`, as far as it is used. */
export interface DownloadPort {
    onmessage: ((event: MessageEvent<FromDownload>) => void) | null;
    postMessage(message: ToDownload, transfer?: Transferable[]): void;
    close(): void;
}

export class DownloadSink implements Sink {
    readonly #port: DownloadPort;
    readonly #name: string;
    #started = false;
    #taking = 0; // bytes that the browser takes
    #ended: TransferFailure | null = null;
    #wake: () => void = () => undefined;

    private constructor(port: DownloadPort, name: string) {
        this.#port = port;
        this.#name = name;
        port.onmessage = ({ data }) => {
            if (data === "started") this.#started = true;
            else if (data === "cancelled") this.#ended = new TransferFailure("cancelled");
            else this.#taking += data.take;
            this.#wake();
        };
    }

    /** @throws TransferFailure `disk-full`: the browser has not begun the download. */
    static async open(port: DownloadPort, name: string): Promise<DownloadSink> {
        const sink = new DownloadSink(port, name);
        const timer = setTimeout(() => {
            sink.#ended ??= new TransferFailure("disk-full", "the browser has not begun the download");
            sink.#wake();
        }, START_TIME);
        try {
            await sink.#until(() => sink.#started);
        } finally {
            clearTimeout(timer);
        }
        return sink;
    }

    async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
        await this.#until(() => this.#taking > 0);
        this.#taking -= bytes.length;
        this.#port.postMessage(bytes, [bytes.buffer]);
    }

    async finish(): Promise<Result> {
        if (this.#ended !== null) throw this.#ended;
        this.#port.postMessage("end");
        this.#port.close();
        return { kind: "saved", name: this.#name };
    }

    async discard(): Promise<void> {
        this.#port.postMessage("failed");
        this.#port.close();
    }

    async #until(condition: () => boolean): Promise<void> {
        while (!condition()) {
            if (this.#ended !== null) throw this.#ended;
            await new Promise<void>((resolve) => (this.#wake = resolve));
        }
        if (this.#ended !== null) throw this.#ended;
    }
}
