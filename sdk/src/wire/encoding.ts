import { SubfenError } from "../errors.ts";

/** A value that JSON can carry and the wire formats use. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** A header, a parameter or a body that is not what its format says. */
export class MalformedError extends SubfenError {
  override readonly name = "MalformedError";

  constructor(what: string, reason: string, cause?: unknown) {
    super(`The ${what} is malformed: ${reason}.`, { code: "malformed", ...(cause === undefined ? {} : { cause }) });
  }
}

/**
 * Encodes text as base64url without padding (RFC 4648 section 5), by its UTF-8 bytes.
 *
 * @param text - Any text.
 * @returns Letters, digits, `-` and `_` only.
 * @example
 * import { encodeBase64Url } from "subfen/wire";
 *
 * encodeBase64Url("分"); // "5YiG"
 */
export function encodeBase64Url(text: string): string {
  return typeof Buffer === "undefined"
    ? bytesToBase64Url(new TextEncoder().encode(text))
    : Buffer.from(text).toString("base64url");
}

/**
 * Encodes bytes as base64url without padding.
 *
 * @param bytes - Any bytes.
 * @returns Letters, digits, `-` and `_` only.
 */
export function bytesToBase64Url(bytes: Uint8Array): string {
  if (typeof Buffer !== "undefined") {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
  }
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Decodes base64url to text. Padding is accepted, anything else outside the alphabet is not.
 *
 * @param value - The encoded text.
 * @param what - What it is, for the error.
 * @returns The text.
 * @throws {MalformedError} when it is not base64url of UTF-8 text.
 */
export function decodeBase64Url(value: string, what: string): string {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(value)) throw new MalformedError(what, "it is not base64url");
  try {
    return utf8.decode(base64UrlToBytes(value));
  } catch (cause) {
    throw new MalformedError(what, "it is not UTF-8 text", cause);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function base64UrlToBytes(value: string): Uint8Array {
  if (typeof Buffer !== "undefined") return Buffer.from(value, "base64url");
  const binary = atob(value.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, ""));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/**
 * Decodes base64url to a JSON object.
 *
 * @param value - The encoded object.
 * @param what - What it is, for the error.
 * @returns The object, its members unchecked.
 * @throws {MalformedError} when it is anything but a JSON object.
 */
export function decodeJsonObject(value: string, what: string): Record<string, unknown> {
  return parseJsonObject(decodeBase64Url(value, what), what);
}

/**
 * Reads a JSON object.
 *
 * @param text - JSON.
 * @param what - What it is, for the error.
 * @returns The object, its members unchecked.
 * @throws {MalformedError} when it is anything but a JSON object.
 */
export function parseJsonObject(text: string, what: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new MalformedError(what, "it is not JSON", cause);
  }
  if (!isObject(parsed)) throw new MalformedError(what, "it is not a JSON object");
  return parsed;
}

/** Tells a JSON object from the other JSON values. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Serialises by the JSON Canonicalization Scheme (RFC 8785): members sorted by UTF-16 code units, no white space.
 * Members that are `undefined` are left out.
 *
 * @param value - The value.
 * @returns One line of JSON, the same for equal values.
 * @example
 * import { canonicalize } from "subfen/wire";
 *
 * canonicalize({ b: 1, a: "x" }); // '{"a":"x","b":1}'
 */
export function canonicalize(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(canonicalize).join(",")}]`;
  let members = "";
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    members += `${members === "" ? "" : ","}${JSON.stringify(key)}:${canonicalize(member)}`;
  }
  return `{${members}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
