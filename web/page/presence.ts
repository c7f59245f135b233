/** What the page does around its screen: title, announcements, a screen that stays on, a question on leaving. */
import { stepOf, type Page } from "./model.ts";

const ANNOUNCED_PERCENT = 10;

export class Presence {
    readonly #name = document.title;
    #announced = -1;
    #lock: Promise<WakeLockSentinel | null> | null = null;

    /** @param announcer a live region, which screen readers read when it changes. */
    constructor(private readonly announcer: HTMLElement) {
        addEventListener("beforeunload", (event) => {
            if (this.#lock !== null) event.preventDefault();
        });
        // A browser takes the lock away while the page is hidden.
        document.addEventListener("visibilitychange", () => {
            if (document.visibilityState === "visible" && this.#lock !== null) this.#lock = requestLock();
        });
    }

    show(page: Page): void {
        const percent = percentOf(page);
        document.title = percent === null ? this.#name : `${percent} % – ${this.#name}`;
        this.#announce(percent);
        this.#keepAwake(page.screen === "transfer");
    }

    #announce(percent: number | null): void {
        const step = percent === null ? -1 : Math.floor(percent / ANNOUNCED_PERCENT);
        if (step === this.#announced) return;
        this.#announced = step;
        this.announcer.textContent = percent === null ? "" : `${percent} %`;
    }

    #keepAwake(awake: boolean): void {
        if (awake) {
            this.#lock ??= requestLock();
        } else if (this.#lock !== null) {
            void this.#lock.then((lock) => lock?.release());
            this.#lock = null;
        }
    }
}

/** Whole per cent of the bytes that have moved; null where none move. */
function percentOf(page: Page): number | null {
    if (page.screen !== "transfer" || stepOf(page.transfer) !== "progress") return null;
    const { moved, total } = page.transfer.progress;
    return total === 0 ? 0 : Math.floor((100 * moved) / total);
}

async function requestLock(): Promise<WakeLockSentinel | null> {
    try {
        return (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
        return null; // the battery is low, or the page hidden
    }
}
