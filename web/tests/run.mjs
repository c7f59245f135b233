/** Runs the tests in Node: `node tests/run.mjs [FILE…]`. esbuild removes the types; `tsc` checks them. */
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = fileURLToPath(new URL("..", import.meta.url));
const outdir = `${web}/build/tests`;

const all = readdirSync(`${web}/tests`, { recursive: true }).filter((name) => name.endsWith(".test.ts"));
const chosen = process.argv.slice(2);
const entryPoints = chosen.length > 0 ? chosen : all.map((name) => `${web}/tests/${name}`);

rmSync(outdir, { recursive: true, force: true });
const { metafile } = await build({
    entryPoints, outdir, bundle: true, packages: "external", platform: "node", format: "esm",
    outExtension: { ".js": ".mjs" }, outbase: `${web}/tests`, sourcemap: "inline", metafile: true,
    absWorkingDir: web,
});
const files = Object.keys(metafile.outputs);
const node = ["--test", "--test-timeout=120000", "--enable-source-maps", ...files];
process.exitCode = spawnSync(process.execPath, node, { cwd: web, stdio: "inherit" }).status ?? 1;
