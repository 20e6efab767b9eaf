/** Bodies that are there already, by their response: an adapter need not read them as a stream. */
const bytes = new WeakMap<Response, Uint8Array>();

/**
 * Notes what the whole body of a response is.
 *
 * @param response - The response.
 * @param body - Its body.
 * @returns The response.
 */
export function withBytes(response: Response, body: Uint8Array): Response {
  bytes.set(response, body);
  return response;
}

/** @returns The whole body of a response, if that is there already and nobody has begun to read it. */
export function bytesOf(response: Response): Uint8Array | undefined {
  return response.bodyUsed ? undefined : bytes.get(response);
}
