import { createHash } from "node:crypto";

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
 * @returns See {@link requestHashInput}.
 */
export function hashRequest(request: Request, body: Uint8Array): Hex {
  const { pathname, search } = new URL(request.url);
  const bodyHash = createHash("sha256").update(body).digest("hex");
  const idempotencyKey = request.headers.get("idempotency-key") ?? "";
  const input = requestHashInput({ idempotencyKey, method: request.method, path: pathname + search, bodyHash });
  return `0x${createHash("sha256").update(input).digest("hex")}`;
}
