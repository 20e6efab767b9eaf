import type { Challenge } from "../wire/challenge.ts";
import type { Offer, Work } from "./gateway.ts";
import type { Reply } from "./reply.ts";

/** A request that comes with a credential, and what is sold to it. */
export type Exchange = {
  readonly request: Request;
  readonly body: Uint8Array;
  readonly offer: Offer;
  readonly work: Work;
  /** The challenge that is answered: issued by this seller. */
  readonly challenge: Challenge;
  /**
   * Makes sure that the challenge has not expired. What was bought before may be asked for for longer.
   *
   * @throws {ProblemError} when it has.
   */
  readonly requireFresh: () => void;
  /** The payer, by its own word. */
  readonly source: string | undefined;
  /** What pays, unchecked. */
  readonly payload: Record<string, unknown>;
};

/** What a scheme puts into a challenge, each as it stands in the header. */
export type Asked = Pick<Challenge, "request" | "digest" | "opaque">;

/** One way to be paid. All of a gateway's stand side by side in its 402. */
export type Scheme = {
  /** The intent of its challenges. */
  readonly intent: string;
  /**
   * @param offer - What is sold.
   * @param amount - Base units that this request needs to begin with; 0 where it asks for no work or lacks its body.
   * @param asked - The request and its body.
   * @returns What stands in the challenge, or `undefined` where this offer is not sold so.
   */
  ask(offer: Offer, amount: bigint, asked: { request: Request; body: Uint8Array }): Asked | undefined;
  /**
   * Answers a request that pays by this scheme.
   *
   * @throws {ProblemError} when it is not served.
   * @throws {MalformedError} when the payload is not what the scheme says.
   */
  respond(exchange: Exchange): Promise<Reply>;
};
