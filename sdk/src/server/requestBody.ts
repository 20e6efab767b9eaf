import { hash } from "node:crypto";

import type { Hex } from "viem";

import { requestHashInput } from "../wire/requestHash.ts";

/**
 * Reads a body up to a limit.
 *
 * @param message - A request or a response.
 * @param limit - Bytes.
 * @returns The bytes, or `undefined` when there are more.
 */
export async function readBody(message: Request | Response, limit: number): Promise<Uint8Array | undefined> {
  // Asked first: most requests have none.
  if (!message.body) return new Uint8Array();
  if (Number(message.headers.get("content-length") ?? 0) > limit) return undefined;
  const reader = (message.body as ReadableStream<Uint8Array>).getReader();
  try {
    const chunks: Uint8Array[] = [];
    for (let length = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length);
      length += value.length;
      if (length > limit) {
        await reader.cancel();
        return undefined;
      }
      chunks.push(value);
    }
  } finally {
    reader.releaseLock();
  }
}

/**
 * What a hold is tied to: a statement pays for this request and for no other.
 *
 * @param request - The request.
 * @param body - Its body.
 * @returns See {@link requestHashInput}.
 */
export function hashRequest(request: Request, body: Uint8Array): Hex {
  const idempotencyKey = request.headers.get("idempotency-key") ?? "";
  const bodyHash = hash("sha256", body);
  return `0x${hash("sha256", requestHashInput({ idempotencyKey, method: request.method, path: pathOf(request), bodyHash }))}`;
}

/** Path and query of a request, whose address is normal already: taking that to pieces costs as much as hashing it. */
function pathOf({ url }: Request): string {
  const [address = url] = url.split("#", 1);
  const path = address.slice(address.indexOf("/", address.indexOf("://") + 3));
  return path.indexOf("?") === path.length - 1 ? path.slice(0, -1) : path;
}

/**
 * @param body - What was handed out.
 * @returns Its SHA-256.
 */
export function hashBody(body: Uint8Array): Hex {
  return `0x${hash("sha256", body)}`;
}
