import { MalformedError } from "./encoding.ts";

/**
 * A challenge of the `Payment` authentication scheme (draft-httpauth-payment-00), as it stands in `WWW-Authenticate`.
 * Every member is the text on the wire: a credential echoes it unchanged.
 */
export type Challenge = {
  /** The server's binding of all the other members. */
  readonly id: string;
  readonly realm: string;
  readonly method: string;
  readonly intent: string;
  /** base64url of the canonical JSON of what is asked. */
  readonly request: string;
  /** RFC 3339 time after which no credential may be sent. */
  readonly expires?: string | undefined;
  /** Content digest of the body it is for. */
  readonly digest?: string | undefined;
  /** For people; never to be relied on. */
  readonly description?: string | undefined;
  readonly opaque?: string | undefined;
};

const required = ["id", "realm", "method", "intent", "request"] as const;
const optional = ["expires", "digest", "description", "opaque"] as const;
const memberNames = [...required, ...optional];

/** Characters of a description that are sent: proxies refuse headers of more than a few kilobytes. */
const maxDescription = 400;

/**
 * Writes a challenge as the value of a `WWW-Authenticate` header.
 *
 * @param challenge - The challenge. `description` may be any text: what a header cannot carry is replaced by `?`, and
 * what is too long is cut.
 * @returns `Payment id="…", realm="…", …`
 */
export function formatChallenge(challenge: Challenge): string {
  const parameters = memberNames.flatMap((name) => {
    const value = name === "description" ? challenge[name]?.slice(0, maxDescription) : challenge[name];
    return value === undefined ? [] : [`${name}=${quote(value)}`];
  });
  return `Payment ${parameters.join(", ")}`;
}

/** A quoted-string cannot carry control characters, and a header of `fetch` nothing above U+00FF. */
function quote(value: string): string {
  const safe = value.replaceAll(/[^\x20-\x7e]/gu, "?");
  return `"${safe.replaceAll(/["\\]/g, "\\$&")}"`;
}

/**
 * Finds the `Payment` challenges in a `WWW-Authenticate` header, which may hold several challenges of several schemes,
 * also joined by a proxy into one line (RFC 9110 section 11.6.1). Challenges of other schemes and `Payment` challenges
 * that miss a required parameter are passed over.
 *
 * @param header - The header's value; `null` when it is absent.
 * @returns The usable challenges in the order of the header; unknown parameters are dropped.
 */
export function parseChallenges(header: string | null): Challenge[] {
  if (header === null) return [];
  return splitChallenges(header).flatMap(({ scheme, parameters }) => {
    if (scheme.toLowerCase() !== "payment") return [];
    const challenge = toChallenge(parameters);
    return challenge ? [challenge] : [];
  });
}

function toChallenge(parameters: ReadonlyMap<string, string> | undefined): Challenge | undefined {
  if (!parameters) return undefined;
  for (const name of required) if (!parameters.get(name)) return undefined;
  const members = memberNames.flatMap((name) => {
    const value = parameters.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(members) as Challenge;
}

type SchemeChallenge = { scheme: string; parameters: Map<string, string> | undefined };

const token = "[!#$%&'*+.^_`|~\\w-]+";
const end = "(?=[ \\t]*(?:,|$))";
const separators = /[\s,]*/y;
const parameterElement = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))${end}`, "y");
/** A token with no `=` behind it, and a token68 where one follows. */
const schemeElement = new RegExp(
  `(${token})(?![ \\t]*=)(?:[ \\t]+[A-Za-z0-9\\-._~+/]+=*${end}|(?=[ \\t])|${end})`,
  "y",
);
/** What is neither, up to the next comma outside quotes. */
const brokenElement = /(?:"(?:[^"\\]|\\.)*"|[^,"])+/y;

/**
 * A token followed by `=` is a parameter of the current challenge, any other token starts the next one. A challenge
 * whose parameters are broken or repeated has `undefined` for them: dropped by itself, the others stay.
 */
function splitChallenges(header: string): SchemeChallenge[] {
  const challenges: SchemeChallenge[] = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position;
    const match = pattern.exec(header) ?? undefined;
    position += match?.[0].length ?? 0;
    return match;
  };
  for (;;) {
    take(separators);
    if (position === header.length) return challenges;
    const current = challenges.at(-1);
    const parameter = take(parameterElement);
    if (parameter) {
      const [, name = "", quoted, word = ""] = parameter;
      const key = name.toLowerCase();
      if (current?.parameters?.has(key)) current.parameters = undefined;
      current?.parameters?.set(key, quoted?.replaceAll(/\\(.)/g, "$1") ?? word);
      continue;
    }
    const scheme = take(schemeElement)?.[1];
    if (scheme !== undefined) {
      challenges.push({ scheme, parameters: new Map() });
      continue;
    }
    if (current) current.parameters = undefined;
    if (!take(brokenElement)) return challenges;
  }
}

/**
 * Reads the challenge that a credential echoes.
 *
 * @param value - The credential's `challenge` member.
 * @returns The challenge, strings unchanged, unknown members dropped.
 * @throws {MalformedError} when a required member is missing or any is not a string.
 */
export function parseEchoedChallenge(value: Record<string, unknown>): Challenge {
  const challenge: Partial<Record<keyof Challenge, string>> = {};
  for (const name of memberNames) {
    const member = Object.hasOwn(value, name) ? value[name] : undefined;
    if (member === undefined || member === null) continue;
    if (typeof member !== "string") throw new MalformedError("credential", `challenge.${name} is not a string`);
    challenge[name] = member;
  }
  for (const name of required) {
    if (!challenge[name]) throw new MalformedError("credential", `challenge.${name} is missing`);
  }
  return challenge as Challenge;
}
