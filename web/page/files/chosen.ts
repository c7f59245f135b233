/** What the user chose, dropped or pasted, as what the worker sends. */
import type { Content, DirectoryEntry } from "../../worker/messages.ts";
import type { Item } from "../model.ts";

/** Several files that have no folder are sent as one, which needs a name. */
const TOGETHER = "files";

/** Make what is sent of the files of an `<input>`, with `webkitdirectory` or without; null: nothing. */
export function fromInput(files: FileList | readonly File[]): Content | null {
    return fromEntries([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })), []);
}

/** Make what is sent of what was dropped or pasted: files, folders or a text; null: nothing. */
export async function fromTransfer(transfer: DataTransfer): Promise<Content | null> {
    // Before the first wait: the browser empties the transfer when the event's handler returns.
    const roots = [...transfer.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
    const files = [...transfer.files];
    const text = transfer.getData("text/plain");
    const entries = roots.filter((root) => root !== null);
    if (entries.length > 0) {
        const found = new Found();
        for (const entry of entries) await found.add(entry, entry.name);
        return fromEntries(found.files, found.emptyDirectories);
    }
    if (files.length > 0) return fromInput(files);
    return text === "" ? null : { kind: "text", text };
}

/** Describe what is sent. */
export function describe(content: Content): Item {
    switch (content.kind) {
        case "text":
            return { name: "", size: null, files: 0 };
        case "file":
            return { name: content.file.name, size: content.file.size, files: 1 };
        case "directory": {
            const size = content.files.reduce((sum, { file }) => sum + file.size, 0);
            return { name: content.name, size, files: content.files.length };
        }
    }
}

function fromEntries(entries: readonly DirectoryEntry[], empty: readonly string[]): Content | null {
    const [first] = entries;
    if (first !== undefined && entries.length === 1 && empty.length === 0 && !first.path.includes("/")) {
        return { kind: "file", file: first.file };
    }
    const paths = [...entries.map(({ path }) => path), ...empty];
    if (paths.length === 0) return null;
    const roots = new Set(paths.map((path) => path.split("/", 1)[0] ?? path));
    const [root] = roots;
    const one = roots.size === 1 && paths.every((path) => path.includes("/") || empty.includes(path));
    if (root === undefined || !one) return { kind: "directory", name: TOGETHER, files: entries, emptyDirectories: empty };
    const inside = (path: string): string => path.slice(root.length + 1);
    return {
        kind: "directory",
        name: root,
        files: entries.map(({ path, file }) => ({ path: inside(path), file })),
        emptyDirectories: empty.map(inside).filter((path) => path !== ""),
    };
}

/** The files below what was dropped. */
class Found {
    readonly files: DirectoryEntry[] = [];
    readonly emptyDirectories: string[] = [];

    async add(entry: FileSystemEntry, path: string): Promise<void> {
        if (entry.isFile) {
            const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
            this.files.push({ path, file });
            return;
        }
        const children = await listDirectory(entry as FileSystemDirectoryEntry);
        if (children.length === 0) this.emptyDirectories.push(path);
        for (const child of children) await this.add(child, `${path}/${child.name}`);
    }
}

async function listDirectory(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
    const reader = directory.createReader();
    const all: FileSystemEntry[] = [];
    // A browser returns a hundred at a time, and none at the end.
    for (;;) {
        const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
        if (some.length === 0) return all;
        all.push(...some);
    }
}
