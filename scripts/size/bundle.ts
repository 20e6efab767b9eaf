import { gzipSync } from "node:zlib";

import { build } from "esbuild";

/** A browser's bundle of what some code needs from the SDK. */
export type Bundle = {
  /** Bytes, minified. */
  readonly min: number;
  /** Bytes, minified and compressed. */
  readonly gzip: number;
  /** The modules that it holds anything of. */
  readonly modules: readonly string[];
};

/**
 * Bundles code for browsers, from the SDK's sources.
 *
 * @param code - What an app has, such as `export { parseYuan } from "subfen"`.
 * @returns The bundle.
 * @throws What esbuild throws, when the code needs what no browser has, such as a module of Node.
 */
export async function bundle(code: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: "sdk" },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2023",
    conditions: ["subfen-source"],
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const bytes = outputFiles[0]?.contents ?? new Uint8Array();
  const modules = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([name, { bytesInOutput }]) => (bytesInOutput > 0 ? [name] : [])),
  );
  return { min: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, modules };
}

/** What an app has already that makes viem's client and account for `payingFetch`. */
const app = `export { createWalletClient, http } from "viem"; export { privateKeyToAccount } from "viem/accounts";`;

type Limit = {
  readonly name: string;
  readonly code: string;
  /** What the app has without it and is not counted. */
  readonly beside?: string;
  /** Kilobytes of 1,000 bytes, minified and compressed. */
  readonly limit: number;
};

/** What is measured, and how large it may be. */
export const limits: readonly Limit[] = [
  { name: "payingFetch, in an app with viem", code: `export { payingFetch } from "subfen";`, beside: app, limit: 40 },
  // It meters streams, checks signed receipts, and knows a conditional statement when it finds one.
  { name: "payingFetch and all it uses of viem", code: `export { payingFetch } from "subfen";`, limit: 100 },
  { name: "formatYuan", code: `export { formatYuan } from "subfen/protocol";`, limit: 1 },
  { name: "signVoucher", code: `export { signVoucher } from "subfen/protocol";`, limit: 10 },
  { name: "subfen/wire", code: `export * from "subfen/wire";`, limit: 16 },
  { name: "subfen/ethers", code: `export * from "subfen/ethers";`, limit: 9 },
];

/**
 * Measures one of them.
 *
 * @returns Bytes.
 */
export async function measure({ code, beside = "" }: Limit): Promise<Pick<Bundle, "min" | "gzip">> {
  const whole = await bundle(beside + code);
  const known = beside === "" ? { min: 0, gzip: 0 } : await bundle(beside);
  return { min: whole.min - known.min, gzip: whole.gzip - known.gzip };
}
