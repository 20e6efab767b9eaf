import { type Challenge, parseEchoedChallenge } from "./challenge.ts";
import { canonicalize, decodeJsonObject, encodeBase64Url, isObject, type Json, MalformedError } from "./encoding.ts";

/** What a client sends in `Authorization: Payment …`: the challenge it answers and its payment. */
export type Credential<payload> = {
  readonly challenge: Challenge;
  /** The payer as a DID, `did:pkh:eip155:<chain id>:<address>`. */
  readonly source?: string | undefined;
  readonly payload: payload;
};

/**
 * Writes a credential as the value of an `Authorization` header.
 *
 * @param credential - Challenge, payload and, where the payload needs it, source.
 * @returns `Payment ` and base64url of JSON.
 */
export function formatCredential(credential: Credential<Json>): string {
  const { challenge, ...rest } = credential;
  const written = canonical.get(challenge) ?? canonicalize(challenge);
  canonical.set(challenge, written);
  // Of its members `challenge` comes first.
  return `Payment ${encodeBase64Url(`{"challenge":${written},${canonicalize(rest).slice(1)}`)}`;
}

/** One challenge is answered many times. */
const canonical = new WeakMap<Challenge, string>();

/**
 * Reads the credential of an `Authorization` header.
 *
 * @param header - The header's value; `null` when it is absent.
 * @returns The credential with its payload unchecked, or `undefined` when the header is absent or of another scheme.
 * @throws {MalformedError} when it is of the `Payment` scheme and not well formed.
 */
export function parseCredential(header: string | null): Credential<Record<string, unknown>> | undefined {
  const match = header === null ? null : /^payment(?:[ \t]+(.*))?$/i.exec(header.trim());
  if (!match) return undefined;
  const { challenge, payload, source } = decodeJsonObject(match[1] ?? "", "credential");
  if (!isObject(challenge)) throw new MalformedError("credential", "challenge is not an object");
  if (!isObject(payload)) throw new MalformedError("credential", "payload is not an object");
  if (source !== undefined && source !== null && typeof source !== "string") {
    throw new MalformedError("credential", "source is not a string");
  }
  return { challenge: parseEchoedChallenge(challenge), payload, source: source ?? undefined };
}
