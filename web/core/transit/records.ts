/**
 * Records: a 4-byte length, then a box whose nonce counts up from zero, so that one that is dropped,
 * repeated or reordered is noticed.
 */
import { type Bytes, equal } from "../bytes.ts";
import { BOX_OVERHEAD, NONCE_SIZE, fillBox, openBox } from "../keys/box.ts";
import type { ByteQueue } from "./byte-queue.ts";

const LENGTH_SIZE = 4;
const LARGEST_RECORD = 16 * 2 ** 20; // bytes; bounds the memory that a peer can use here

/** Encrypts the records of one direction. */
export class RecordSealer {
    readonly #key: Uint8Array;
    #count = 0;

    constructor(key: Uint8Array) {
        this.#key = key;
    }

    /** Make the next record. */
    seal(plaintext: Uint8Array): Bytes {
        const record = new Uint8Array(LENGTH_SIZE + BOX_OVERHEAD + plaintext.length);
        new DataView(record.buffer).setUint32(0, BOX_OVERHEAD + plaintext.length);
        fillBox(record.subarray(LENGTH_SIZE), this.#key, countingNonce(this.#count++), plaintext);
        return record;
    }
}

/** Decrypts the records of one direction. */
export class RecordOpener {
    readonly #key: Uint8Array;
    #count = 0;

    constructor(key: Uint8Array) {
        this.#key = key;
    }

    /**
     * Take the next record from what has arrived.
     *
     * @returns its plaintext; "incomplete"; or null if the stream was changed on its way, or is none.
     */
    open(arrived: ByteQueue): Bytes | "incomplete" | null {
        const head = arrived.peek(LENGTH_SIZE);
        if (head === null) return "incomplete";
        const size = new DataView(head.buffer, head.byteOffset, LENGTH_SIZE).getUint32(0);
        if (size < BOX_OVERHEAD || size > LARGEST_RECORD) return null;
        const record = arrived.take(LENGTH_SIZE + size);
        if (record === null) return "incomplete";
        const box = record.subarray(LENGTH_SIZE);
        return equal(box.subarray(0, NONCE_SIZE), countingNonce(this.#count++)) ? openBox(this.#key, box) : null;
    }
}

function countingNonce(count: number): Bytes {
    const nonce = new Uint8Array(NONCE_SIZE);
    new DataView(nonce.buffer).setBigUint64(NONCE_SIZE - 8, BigInt(count));
    return nonce;
}
