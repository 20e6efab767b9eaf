import { parseSessionReceipt, type SessionReceipt } from "../wire/sessionReceipt.ts";

/** @returns The receipt, or `undefined` where there is none that can be read. */
export function readReceipt(value: string | null): SessionReceipt | undefined {
  try {
    return value === null ? undefined : parseSessionReceipt(value);
  } catch {
    return undefined;
  }
}
