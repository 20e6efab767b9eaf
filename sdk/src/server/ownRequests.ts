/** Requests that this package has made for a gateway alone, each with what aborts its signal. */
const controllers = new WeakMap<Request, AbortController>();

/**
 * Notes that a request may be handed on as it is, once its credential is taken out of it: then it is made once, not
 * twice.
 *
 * @param request - The request.
 * @param controller - That of its signal.
 * @returns The request.
 */
export function withController(request: Request, controller: AbortController): Request {
  controllers.set(request, controller);
  return request;
}

/** @returns What aborts the signal of a request that may be handed on as it is. */
export function ownController(request: Request): AbortController | undefined {
  return controllers.get(request);
}
