/** A queue of bytes that arrive in pieces of any size and are taken in other ones. */

export class ByteQueue {
    #pieces: Uint8Array[] = [];
    #length = 0;

    /** How many bytes are in it. */
    get length(): number {
        return this.#length;
    }

    push(piece: Uint8Array): void {
        if (piece.length === 0) return;
        this.#pieces.push(piece);
        this.#length += piece.length;
    }

    /** Take so many bytes. @returns null if there are fewer. */
    take(size: number): Uint8Array | null {
        const taken = this.peek(size);
        if (taken !== null) this.#drop(size);
        return taken;
    }

    /** Look at so many bytes. @returns null if there are fewer. */
    peek(size: number): Uint8Array | null {
        if (this.#length < size) return null;
        const [first] = this.#pieces;
        if (first === undefined || first.length >= size) return (first ?? new Uint8Array(0)).subarray(0, size);
        const joined = new Uint8Array(size);
        let at = 0;
        for (const piece of this.#pieces) {
            if (at === size) break;
            const part = piece.subarray(0, size - at);
            joined.set(part, at);
            at += part.length;
        }
        return joined;
    }

    #drop(size: number): void {
        this.#length -= size;
        let rest = size;
        let whole = 0;
        for (const { length } of this.#pieces) {
            if (length > rest) break;
            rest -= length;
            whole++;
        }
        this.#pieces.splice(0, whole);
        const [first] = this.#pieces;
        if (first !== undefined) this.#pieces[0] = first.subarray(rest);
    }
}
