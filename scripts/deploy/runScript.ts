import { Refusal } from "./refusal.ts";
import { redact } from "./secrets.ts";

/** Runs a command: what was foreseen is told without a stack, and nothing tells a secret. Ends with 1 where it failed. */
export async function runScript(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    console.error(redact(explain(error)));
    process.exitCode = 1;
  }
}

/** What Hardhat and viem have to say is told in their words; a stack trace is for what nobody has foreseen. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Refusal || /^(HardhatError|ProviderError)$/.test(error.name)) return error.message;
  if ("shortMessage" in error) return String(error.shortMessage);
  return error.stack ?? error.message;
}
