import { hash } from "node:crypto";

import type { Hex } from "viem";

/**
 * Reads a body up to a limit.
 *
 * @param message - A request or a response.
 * @param limit - Bytes.
 * @returns The bytes, or `undefined` when there are more.
 */
export async function readBody(message: Request | Response, limit: number): Promise<Uint8Array | undefined> {
  if (Number(message.headers.get("content-length") ?? 0) > limit) return undefined;
  if (!message.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of message.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length);
}

/**
 * What a hold is tied to: a statement pays for this request and for no other.
 *
 * @param request - The request.
 * @param body - Its body.
 * @returns SHA-256 over idempotency key, method, path with query and the body's digest.
 */
export function hashRequest(request: Request, body: Uint8Array): Hex {
  const { url } = request;
  const end = url.indexOf("#");
  const target = url.slice(url.indexOf("/", url.indexOf("://") + 3), end < 0 ? undefined : end);
  const parts = [request.headers.get("idempotency-key") ?? "", request.method, target, hash("sha256", body)];
  return `0x${hash("sha256", JSON.stringify(parts))}`;
}

/**
 * @param body - What was handed out.
 * @returns Its SHA-256.
 */
export function hashBody(body: Uint8Array): Hex {
  return `0x${hash("sha256", body)}`;
}
