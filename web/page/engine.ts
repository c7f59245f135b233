/** The worker of the transfer that runs, or that is about to. */
import type { PageMessage, Servers, WorkerMessage } from "../worker/messages.ts";

/** Starts a worker for each transfer, and keeps at most one. */
export class Engine {
    #worker: Worker | null = null;
    #verify = false;
    #listed: Promise<readonly string[]> | null = null;
    #begun = false;

    /**
     * @param script the URL of the worker's script.
     * @param hear called with each message of the transfer.
     */
    constructor(
        private readonly script: string,
        private readonly servers: Servers,
        private readonly hear: (message: WorkerMessage) => void,
    ) {}

    /** Ask which nameplates the server lists. The connection serves the next transfer as well. */
    nameplates(verify: boolean): Promise<readonly string[]> {
        const worker = this.#prepare(verify);
        this.#listed ??= new Promise((resolve) => {
            const listen = ({ data }: MessageEvent<WorkerMessage>): void => {
                if (data.type !== "nameplates") return;
                worker.removeEventListener("message", listen);
                resolve(data.nameplates);
            };
            worker.addEventListener("message", listen);
            this.say({ type: "list-nameplates" });
        });
        return this.#listed;
    }

    /** Begin a transfer. */
    begin(message: Extract<PageMessage, { type: "send" | "receive" }>, verify: boolean): void {
        this.#prepare(verify);
        this.#begun = true;
        this.say(message);
    }

    /** Say something about the transfer that runs. */
    say(message: PageMessage, transferred: Transferable[] = []): void {
        this.#worker?.postMessage(message, transferred);
    }

    /** Forget the worker. */
    end(): void {
        this.#worker?.terminate();
        this.#worker = null;
        this.#listed = null;
        this.#begun = false;
    }

    #prepare(verify: boolean): Worker {
        if (this.#worker !== null && (this.#begun || this.#verify !== verify)) this.end();
        if (this.#worker !== null) return this.#worker;
        const worker = new Worker(this.script, { type: "module" });
        this.#worker = worker;
        this.#verify = verify;
        worker.addEventListener("message", ({ data }: MessageEvent<WorkerMessage>) => {
            // A connection that was made in advance fails in silence: the next attempt begins anew.
            if (this.#begun) this.hear(data);
            else if (data.type === "failed") this.end();
        });
        worker.addEventListener("error", (event) => {
            event.preventDefault();
            if (this.#begun) this.hear({ type: "failed", reason: "internal", text: event.message || null });
            else this.end();
        });
        this.say({ type: "connect", servers: this.servers, verify });
        return worker;
    }
}
