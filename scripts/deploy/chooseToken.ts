import type { Address } from "viem";

import type { Opened } from "./openNetwork.ts";
import { requireToken } from "./realToken.ts";
import type { Deployment } from "./record.ts";
import { Refusal } from "./refusal.ts";

/**
 * Decides which token is paid with.
 *
 * @param opened - The chain.
 * @param asked - The address that the user gave, if any.
 * @param record - What is recorded: a real token chosen once is kept.
 * @param say - Prints a line.
 * @returns The real token, or nothing where the mock is deployed.
 * @throws {Refusal} when the chain's money may be worth something, or the token cannot be used.
 */
export async function chooseToken(
  opened: Opened,
  asked: string | undefined,
  record: Deployment | undefined,
  say: (line: string) => void,
): Promise<Address | undefined> {
  const chosen = asked ?? (record?.contracts.MockDigitalYuan ? undefined : record?.token);
  if (chosen !== undefined) {
    const { token, decimals } = await requireToken(opened, chosen);
    say(`Token ${token}, ${decimals} decimals. No mock is deployed.`);
    return token;
  }
  if (opened.known.isTest || opened.isThrowAway) return undefined;
  throw new Refusal(
    `${opened.name} is not known to be a test chain, and the mock token is worthless. Name the token that is paid with: ` +
      "`--token 0x...`, or the variable SUBFEN_TOKEN.",
  );
}
