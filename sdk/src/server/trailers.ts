/** What is sent behind a body, by its response: a `Response` itself has no place for it. */
const trailers = new WeakMap<Response, () => Record<string, string>>();

/**
 * Gives a response trailers (RFC 9110 section 6.5), which an adapter sends where its server can.
 *
 * @param response - The response.
 * @param read - Tells them once the body has ended.
 * @returns The response.
 */
export function withTrailers(response: Response, read: () => Record<string, string>): Response {
  trailers.set(response, read);
  return response;
}

/** @returns What tells a response's trailers once its body has ended, if it has any. */
export function trailersOf(response: Response): (() => Record<string, string>) | undefined {
  return trailers.get(response);
}
