import { createHash, timingSafeEqual } from "node:crypto";

import { SubfenError } from "../errors.ts";

/** Decides who may ask: given the request and the payment that it is about. */
export type Authorize = (request: Request, paymentId: string) => boolean | Promise<boolean>;

/** A token that can be guessed. */
export class WeakTokenError extends SubfenError {
  override readonly name = "WeakTokenError";
  declare readonly code: "weak-token";

  constructor() {
    super("The token is shorter than 16 characters.", {
      code: "weak-token",
      metaMessages: ["Do: give at least 16 random characters, without spaces."],
    });
  }
}

/**
 * Lets in who sends one of some tokens: `Authorization: Bearer ...`.
 *
 * @param tokens - At least one, each of 16 characters or more.
 * @returns What `createEvaluatorHandler` takes as `authorize`.
 * @throws {WeakTokenError} when there is none, or one is too short.
 * @example
 * import { bearerToken } from "subfen/evaluator";
 *
 * const authorize = bearerToken("f3c1a96d2b7e4085");
 */
export function bearerToken(...tokens: readonly string[]): bearerToken.ReturnType {
  if (tokens.length === 0 || tokens.some((token) => !/^\S{16,}$/.test(token))) throw new WeakTokenError();
  const known = tokens.map(digest);
  return (request) => {
    const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    if (given === undefined) return false;
    const found = digest(given);
    return known.map((one) => timingSafeEqual(one, found)).includes(true);
  };
}

/** Digests have one length, which the comparison needs. */
function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

export declare namespace bearerToken {
  type ReturnType = Authorize;
  type ErrorType = WeakTokenError;
}
