/**
 * Loads a keccak-256 in WebAssembly, many times faster than one in JavaScript.
 *
 * @returns The function: any bytes to their 32. What it returns is the caller's own.
 */
export async function createKeccak256(): Promise<(bytes: Uint8Array) => Uint8Array> {
  // With its first use: it holds a dozen hashes, which take a tenth of a cold import.
  const { createKeccak } = await import("hash-wasm");
  const hasher = await createKeccak(256);
  return (bytes) => hasher.init().update(bytes).digest("binary");
}
