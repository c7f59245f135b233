/** What the page has announced, for the requests that follow; a request may overtake its announcement. */
import type { Announcement, Probe } from "./messages.ts";

const WAIT_TIME = 5_000; // milliseconds for an announcement that is on its way

type Announced = Announcement | Probe;

export class Announcements {
    readonly #announced = new Map<string, Announced>();
    readonly #awaited = new Map<string, (announced: Announced) => void>();

    /** Take note of one. */
    add(announced: Announced): void {
        const take = this.#awaited.get(announced.id);
        if (take !== undefined) take(announced);
        else this.#announced.set(announced.id, announced);
    }

    /** Wait for that of an id, which is given out once; null: none comes. */
    async take(id: string): Promise<Announced | null> {
        const announced = this.#announced.get(id) ?? null;
        this.#announced.delete(id);
        if (announced !== null) return announced;
        return new Promise<Announced | null>((resolve) => {
            const timer = setTimeout(() => resolve(null), WAIT_TIME);
            this.#awaited.set(id, (late) => {
                clearTimeout(timer);
                resolve(late);
            });
        }).finally(() => this.#awaited.delete(id));
    }
}
