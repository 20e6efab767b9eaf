import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** How fast the disk under a folder makes things durable. */
export type Disk = { readonly fileSystem: string; readonly fsyncs: number };

/**
 * Measures the disk for a second: 4 kB are written and made durable, over and over.
 *
 * @param folder - On the disk.
 * @returns The file system and its fsyncs a second.
 */
export function measureDisk(folder: string): Disk {
  const path = join(folder, "fsync");
  const file = openSync(path, "w");
  const block = Buffer.alloc(4096, 1);
  const started = performance.now();
  let count = 0;
  while (performance.now() - started < 1000) {
    writeSync(file, block, 0, block.length, (count % 256) * block.length);
    fsyncSync(file);
    count++;
  }
  const fsyncs = Math.round((count * 1000) / (performance.now() - started));
  closeSync(file);
  rmSync(path);
  return { fileSystem: fileSystemOf(folder), fsyncs };
}

function fileSystemOf(folder: string): string {
  try {
    const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
    const holding = mounts.flatMap((line) => {
      const [, at = "", type = ""] = line.split(" ");
      return folder === at || folder.startsWith(at === "/" ? "/" : `${at}/`) ? [{ at, type }] : [];
    });
    return holding.sort((a, b) => b.at.length - a.at.length)[0]?.type ?? "unknown";
  } catch {
    return "unknown";
  }
}
