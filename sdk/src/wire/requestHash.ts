/**
 * What a hold and a receipt are tied to: a statement pays for this request and for no other.
 *
 * @param request - Method, path with query as the seller sees it, the `Idempotency-Key` (empty where there is none) and
 * the SHA-256 of the body in lower-case hexadecimal digits.
 * @returns The text whose SHA-256, over its UTF-8 bytes, is the request's hash.
 */
export function requestHashInput(request: {
  idempotencyKey: string;
  method: string;
  path: string;
  bodyHash: string;
}): string {
  const { idempotencyKey, method, path, bodyHash } = request;
  return JSON.stringify([idempotencyKey, method, path, bodyHash]);
}
