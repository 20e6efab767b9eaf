import { UnsafeOriginError } from "./errors.ts";

/** Credentials are worth money to whoever reads them: they travel by TLS, or not beyond this machine. */
export function requireSafeOrigin({ protocol, hostname, origin }: URL): void {
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol !== "https:" && !isLocal) throw new UnsafeOriginError(`${origin} is not an https address`);
}
