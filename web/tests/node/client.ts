/**
 * The core and the worker as a program: messages of the page on stdin, those of the worker on stdout, a line of
 * JSON each. What has to be a `File` in a browser is a path here; a directory's files are found by themselves.
 */
import { openAsBlob } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { createInterface } from "node:readline";
import type { Content, PageMessage } from "../../worker/messages.ts";
import { TransferWorker } from "../../worker/transfer-worker.ts";
import { nodePlatform } from "./platform.ts";

async function toFile(path: string): Promise<File> {
    return new File([await openAsBlob(path)], basename(path), { lastModified: Date.UTC(2026, 0, 1) });
}

async function toContent(content: { kind: string; text: string; path: string }): Promise<Content> {
    if (content.kind === "text") return { kind: "text", text: content.text };
    if (content.kind === "file") return { kind: "file", file: await toFile(content.path) };
    const all = await readdir(content.path, { recursive: true, withFileTypes: true });
    const pathOf = (entry: (typeof all)[number]): string => join(entry.parentPath, entry.name);
    const files = all.filter((entry) => entry.isFile()).map(pathOf);
    const directories = all.filter((entry) => entry.isDirectory()).map(pathOf);
    const empty = directories.filter((path) => !all.some((entry) => entry.parentPath === path));
    const below = (path: string): string => relative(content.path, path);
    return {
        kind: "directory",
        name: basename(content.path),
        files: await Promise.all(files.map(async (path) => ({ path: below(path), file: await toFile(path) }))),
        emptyDirectories: empty.map(below),
    };
}

const worker = new TransferWorker(nodePlatform, (message) => {
    process.stdout.write(`${JSON.stringify(message)}\n`);
    if (message.type === "done" || message.type === "failed") process.stdin.destroy();
});

let handled = Promise.resolve(); // one after the other
createInterface({ input: process.stdin }).on("line", (line) => {
    const message = JSON.parse(line);
    handled = handled.then(async () => {
        const content = message.type === "send" ? { content: await toContent(message.content) } : {};
        worker.handle({ ...message, ...content } as PageMessage);
    });
});
