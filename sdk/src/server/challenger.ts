import { createHmac, timingSafeEqual } from "node:crypto";

import { SubfenError } from "../errors.ts";
import type { Challenge } from "../wire/challenge.ts";

/** Issues challenges and knows its own again, without storing any (draft-httpauth-payment-00, "Challenge Binding"). */
export type Challenger = {
  /**
   * @param intent - The scheme it is for.
   * @param asked - The encoded request, and what else the challenge is bound to.
   * @param description - For people.
   * @returns A challenge bound to this realm and to its expiry.
   */
  issue(intent: string, asked: Pick<Challenge, "request" | "digest" | "opaque">, description?: string): Challenge;
  /**
   * @param challenge - A challenge that a credential echoes.
   * @returns Whether it was issued here.
   */
  isOwn(challenge: Challenge): boolean;
  /**
   * @param challenge - A challenge that was issued here.
   * @returns Whether no credential may answer it any more.
   */
  isExpired(challenge: Challenge): boolean;
};

/** A secret too short to bind challenges by. */
export class WeakSecretError extends SubfenError {
  override readonly name = "WeakSecretError";

  constructor() {
    super("The secret that binds challenges is shorter than 16 bytes.", {
      code: "weak-secret",
      metaMessages: ["Give at least 16 random bytes, the same to every process of one seller."],
    });
  }
}

/** A realm that cannot stand in a header as it is: the challenge that comes back would be another one. */
export class InvalidRealmError extends SubfenError {
  override readonly name = "InvalidRealmError";

  constructor() {
    super("The realm is empty or has characters other than printable ASCII.", {
      code: "invalid-realm",
      metaMessages: ["Name it like a host: models.example."],
    });
  }
}

/** Seven slots, absent ones empty, so that no two challenges have one input. */
function boundText(challenge: Omit<Challenge, "id">): string {
  const { realm, method, intent, request, expires = "", digest = "", opaque = "" } = challenge;
  return `${realm}|${method}|${intent}|${request}|${expires}|${digest}|${opaque}`;
}

/** Challenges that are known again without a hash. */
const mostKnown = 4_096;

/** Whether all that is bound is the same, which is cheaper than to make the text of it. */
function isSame(one: Omit<Challenge, "id">, other: Challenge): boolean {
  return bound.every((name) => one[name] === other[name]);
}

const bound = ["realm", "method", "intent", "request", "expires", "digest", "opaque"] as const;

/**
 * Makes a challenger.
 *
 * @param parameters.secret - At least 16 bytes, shared by all processes of the seller.
 * @param parameters.realm - The protection space the challenges name.
 * @param parameters.lifetime - Seconds a challenge is good for.
 * @param parameters.now - The clock, in milliseconds.
 * @returns The challenger.
 * @throws {WeakSecretError} when the secret is too short.
 * @throws {InvalidRealmError} when the realm is empty or not printable ASCII.
 */
export function createChallenger(parameters: {
  secret: Uint8Array;
  realm: string;
  lifetime: number;
  now: () => number;
}): Challenger {
  const { secret, realm, lifetime, now } = parameters;
  if (secret.length < 16) throw new WeakSecretError();
  if (!/^[\x20-\x7e]+$/.test(realm)) throw new InvalidRealmError();

  /** Challenges that were found to be ours, by their id: one serves many requests. */
  const ours = new Map<string, Omit<Challenge, "id">>();
  let last = { expires: "", at: Number.NaN };

  function bind(text: string): string {
    return createHmac("sha256", secret).update(text).digest("base64url");
  }

  function isOurs(challenge: Challenge): boolean {
    const known = ours.get(challenge.id);
    if (known && isSame(known, challenge)) return true;
    const expected = Buffer.from(bind(boundText(challenge)));
    const given = Buffer.from(challenge.id);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
    const { id, description: _, ...kept } = challenge;
    ours.set(id, kept);
    const [first = id] = ours.keys();
    if (ours.size > mostKnown) ours.delete(first);
    return true;
  }

  return {
    issue(intent, asked, description) {
      const expires = new Date(Math.ceil(now() / 1000 + lifetime) * 1000).toISOString().replace(".000Z", "Z");
      const challenge = { realm, method: "evm", intent, ...asked, expires };
      const id = bind(boundText(challenge));
      return description === undefined ? { id, ...challenge } : { id, ...challenge, description };
    },

    isOwn: (challenge) => isOurs(challenge) && challenge.realm === realm,

    // What we issue always expires; the text is ours, so it always parses.
    isExpired({ expires = "" }) {
      if (expires !== last.expires) last = { expires, at: Date.parse(expires) };
      return !(last.at > now());
    },
  };
}
