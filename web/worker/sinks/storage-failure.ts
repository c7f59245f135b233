/** What a browser raises when it cannot store something, as the failure of a transfer. */
import { TransferFailure } from "../../core/session/failure.ts";

/** Wait for something to be stored. @throws TransferFailure `disk-full`, with what the browser says. */
export async function stored<T>(work: Promise<T> | T): Promise<T> {
    try {
        return await work;
    } catch (error) {
        throw storageFailure(error);
    }
}

export function storageFailure(error: unknown): TransferFailure {
    const text = error instanceof Error && error.name !== "QuotaExceededError" ? error.message : null;
    return new TransferFailure("disk-full", text);
}
