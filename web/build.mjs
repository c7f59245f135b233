/**
 * Builds what browsers load: `node build.mjs FOLDER`.
 *
 * The same sources and lock file give the same bytes. Beside the bundles it writes the licenses of what they
 * contain, and a list of all files with their SHA-256.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

// Each on its own: what two of them share is smaller twice than as a file of its own.
const ENTRY_POINTS = [
    { in: "page/main.ts", out: "page" },
    { in: "page/page.css", out: "page" },
    { in: "receive/sw.ts", out: "sw" },
    { in: "worker/main.ts", out: "worker" },
];
const ICONS = "page/icons"; // are taken as they are
const LICENSE = /^licen[cs]e(?:\.\w+)?$/iu;

const web = fileURLToPath(new URL(".", import.meta.url));
const folder = process.argv[2];

const built = await Promise.all(ENTRY_POINTS.map((entryPoint) => build({
    absWorkingDir: web,
    entryPoints: [entryPoint],
    outdir: web,
    bundle: true,
    splitting: true, // what is seldom needed is loaded when it is
    chunkNames: "[name]-[hash]",
    format: "esm",
    minify: true,
    charset: "utf8",
    target: ["es2022"],
    legalComments: "none", // they are in licenses.txt
    metafile: true,
    write: false,
    logLevel: "warning",
})));

const files = new Map(built.flatMap(({ outputFiles }) => outputFiles).map(({ path, contents }) => [path.slice(web.length), contents]));
for (const icon of readdirSync(`${web}/${ICONS}`)) files.set(icon, readFileSync(`${web}/${ICONS}/${icon}`));
files.set("licenses.txt", Buffer.from(licenses()));
const list = [...files].sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, contents]) => [name, sha256(contents)]);
files.set("files.json", Buffer.from(`${JSON.stringify(Object.fromEntries(list), null, 2)}\n`));
mkdirSync(folder, { recursive: true });
for (const [name, contents] of files) writeFileSync(`${folder}/${name}`, contents);

/** The licenses of all packages that are in a bundle. */
function licenses() {
    const outputs = built.flatMap(({ metafile }) => Object.values(metafile.outputs));
    const inputs = outputs.flatMap(({ inputs: used }) => Object.keys(used));
    const names = inputs.map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//u.exec(path)?.[1]).filter(Boolean);
    return [...new Set(names)].sort().map(license).join(`\n${"-".repeat(80)}\n\n`);
}

function license(name) {
    const place = `${web}/node_modules/${name}`;
    const { version, license: kind } = JSON.parse(readFileSync(`${place}/package.json`, "utf8"));
    const file = readdirSync(place).find((each) => LICENSE.test(each));
    if (file === undefined) throw new Error(`${name} has no license file`);
    return `${name} ${version} (${kind})\n\n${readFileSync(`${place}/${file}`, "utf8").trim()}\n`;
}

function sha256(contents) {
    return createHash("sha256").update(contents).digest("hex");
}
