import type { Gateway, Offer } from "./gateway.ts";

/** The part of Hono's context that is used, so that Hono is no dependency. */
type HonoContext = {
  req: { raw: Request };
  get res(): Response;
  set res(response: Response | undefined);
  readonly finalized: boolean;
};

/**
 * A Hono middleware: the handlers after it run only when they are paid for.
 *
 * @param gateway - The gateway.
 * @param offer - What each request costs.
 * @returns The middleware.
 * @example
 * app.post("/v1/chat/completions", paid(gateway, { price }), (c) => c.json({ hello: "world" }));
 */
export function paid(
  gateway: Gateway,
  offer: Offer,
): (context: HonoContext, next: () => Promise<void>) => Promise<Response | void> {
  return async (context, next) => {
    const response = await gateway.charge(context.req.raw, offer, async (request) => {
      // The gateway has read the body: the handlers get a request that still has it, and no credential.
      context.req.raw = request;
      await next();
      return context.res;
    });
    if (!context.finalized) return response;
    // Hono ignores what is returned once the handlers have answered, and lays the headers of their answer over another.
    context.res = undefined;
    context.res = response;
  };
}
