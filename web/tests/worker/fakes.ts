/** A platform whose clock and sockets a test moves by itself. */
import type { Platform, Sink, Socket } from "../../worker/platform.ts";

type Handler<E> = ((event: E) => void) | null;

/** A socket; what it was sent is in `sent`. */
export class FakeSocket {
    binaryType = "blob";
    bufferedAmount = 0;
    onopen: Handler<unknown> = null;
    onmessage: Handler<{ data: unknown }> = null;
    onclose: Handler<{ code: number; reason: string }> = null;
    readonly sent: (string | Uint8Array)[] = [];
    closed = false;

    constructor(readonly url: string, readonly protocols: readonly string[]) {}

    send(data: string | Uint8Array): void { this.sent.push(data); }
    close(): void { this.closed = true; }

    /** The other end sends bytes or a text. */
    receive(data: string | Uint8Array): void {
        this.onmessage?.({ data: typeof data === "string" ? data : Uint8Array.from(data).buffer });
    }

    /** The connection ends. */
    lose(code = 1006, reason = ""): void { this.onclose?.({ code, reason }); }
}

export class FakePlatform implements Platform {
    readonly sockets: FakeSocket[] = [];
    #now = 0;
    #timers: { at: number; call: () => void }[] = [];

    get socket(): FakeSocket {
        const last = this.sockets.at(-1);
        if (last === undefined) throw new Error("nothing has connected");
        return last;
    }

    openSocket(url: string, protocols: readonly string[]): Socket {
        this.sockets.push(new FakeSocket(url, protocols));
        return this.socket as unknown as Socket;
    }

    openSink(): Promise<Sink> { throw new Error("this test has no sink"); }
    random(size: number): Uint8Array<ArrayBuffer> { return new Uint8Array(size); }
    day(): string { return "261126"; }
    now(): number { return this.#now; }

    later(milliseconds: number, call: () => void): () => void {
        const timer = { at: this.#now + milliseconds, call };
        this.#timers.push(timer);
        return () => (this.#timers = this.#timers.filter((each) => each !== timer));
    }

    /** Let so much time go by, and everything run that waits for it. */
    async advance(milliseconds: number): Promise<void> {
        const until = this.#now + milliseconds;
        await settled();
        for (;;) {
            const [next] = this.#timers.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at);
            if (next === undefined) break;
            this.#timers = this.#timers.filter((each) => each !== next);
            this.#now = next.at;
            next.call();
            await settled();
        }
        this.#now = until;
    }
}

/** Let everything run that waits for nothing but its turn. */
export function settled(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
}
