const secrets = new Set<string>();

/** Keeps a key, or all of a URL but its origin, out of everything that is printed from now on. */
export function keepSecret(value: string): void {
  if (value.trim() === "") return;
  secrets.add(value);
  secrets.add(value.trim().replace(/^0x/, ""));
  if (!URL.canParse(value)) return;
  const { username, password, pathname, search } = new URL(value);
  for (const part of [username, password, pathname.slice(1), search.slice(1)]) if (part.length > 3) secrets.add(part);
}

/** @returns The text without the secrets. */
export function redact(text: string): string {
  // The longest first, since one may be part of another.
  const known = [...secrets].sort((a, b) => b.length - a.length);
  return known.reduce((left, secret) => left.replaceAll(secret, "..."), text);
}
