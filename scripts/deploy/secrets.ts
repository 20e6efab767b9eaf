const secrets = new Set<string>();

/** Keeps a key, or all of a URL but its origin, out of everything that is printed from now on. */
export function keepSecret(value: string): void {
  const parts: string[] = [];
  if (URL.canParse(value)) {
    const { username, password, pathname, search } = new URL(value);
    const whole = [username, password, pathname.slice(1), search.slice(1)];
    // A node that refuses a key may tell the key alone; what is shorter names a network or a version.
    const words = whole.flatMap((part) => part.split(/[/&=]/)).filter((word) => word.length > 15);
    parts.push(...whole, ...words);
  } else parts.push(value, value.trim().replace(/^0x/, ""));
  // What is shorter is no secret, and would be found in any text.
  for (const part of parts) if (part.length > 5) secrets.add(part);
}

/** @returns The text without the secrets. */
export function redact(text: string): string {
  // The longest first, since one may be part of another.
  const known = [...secrets].sort((a, b) => b.length - a.length);
  return known.reduce((left, secret) => left.replaceAll(secret, "..."), text);
}
