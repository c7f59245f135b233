/** Downloads through the service worker: bytes that arrive become a download of the browser's own. */
import type { Announcement, Probe, ToServiceWorker } from "../../receive/messages.ts";

const STAY = 10_000; // milliseconds; see receive/messages.ts
const PROBE_TIME = 5_000; // milliseconds

/** Finds out whether they work here, and starts them. */
export class Downloads {
    #worker: ServiceWorker | null = null;
    #staying: ReturnType<typeof setInterval> | undefined;

    /**
     * @param script the URL of the service worker's script.
     * @param folder the URL below which downloads are, with a slash at its end.
     */
    constructor(private readonly script: string, private readonly folder: string) {}

    /** Whether a download can be started. */
    get work(): boolean {
        return this.#worker !== null;
    }

    /** Register the service worker, and see that it answers. Browsers have none on plain http. */
    async prepare(): Promise<void> {
        try {
            const registration = await navigator.serviceWorker?.register(this.script);
            if (registration === undefined) return;
            const worker = await activated(registration);
            await this.#probe(worker);
            this.#worker = worker;
        } catch {
            // Not here, or not in a private window: there are other ways.
        }
    }

    /**
     * Start a download.
     *
     * @param size in bytes; a browser needs it to notice a download that was cut short.
     * @returns the end of the channel that the transfer's worker writes to.
     */
    start(name: string, size: number): MessagePort {
        const { port1, port2 } = new MessageChannel();
        const download: Announcement = { type: "download", id: newId(), name, size, port: port2 };
        this.#announce(this.#worker, download);
        this.#staying ??= setInterval(() => this.#worker?.postMessage("stay" satisfies ToServiceWorker), STAY);
        return port1;
    }

    /** Let the service worker end: no download is running. */
    end(): void {
        clearInterval(this.#staying);
        this.#staying = undefined;
    }

    #probe(worker: ServiceWorker): Promise<void> {
        const { port1, port2 } = new MessageChannel();
        const frame = this.#announce(worker, { type: "probe", id: newId(), port: port2 });
        return new Promise<void>((resolve, reject) => {
            port1.onmessage = () => resolve();
            setTimeout(reject, PROBE_TIME);
        }).finally(() => frame.remove());
    }

    #announce(worker: ServiceWorker | null, message: Announcement | Probe): HTMLIFrameElement {
        worker?.postMessage(message, [message.port]);
        const frame = document.createElement("iframe");
        frame.hidden = true;
        frame.src = this.folder + message.id;
        document.body.append(frame);
        return frame;
    }
}

function newId(): string {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function activated({ active, waiting, installing }: ServiceWorkerRegistration): Promise<ServiceWorker> {
    const worker = installing ?? waiting;
    if (worker === null) return active === null ? Promise.reject(new Error("no service worker")) : Promise.resolve(active);
    return new Promise((resolve, reject) => {
        worker.addEventListener("statechange", () => {
            if (worker.state === "activated") resolve(worker);
            if (worker.state === "redundant") reject(new Error("the service worker was not installed"));
        });
    });
}
