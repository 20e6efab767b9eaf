import { isSubfenError } from "../errors.ts";
import { auditCommand } from "./auditCommand.ts";
import { type Command, type Surroundings, UsageError } from "./command.ts";

const commands: Readonly<Record<string, Command>> = { audit: auditCommand };

const help = `subfen: payments below a fen

  subfen audit    compare a seller's ledger with itself and with the chain

subfen <command> --help tells more.`;

/** The command could not do what it was asked. */
const failed = 2;

/**
 * Runs the command line. Errors of this package are told in words; of others no more than their kind, since what a node or
 * a wallet throws may carry an address with a key.
 *
 * @param args - What stands after `subfen`.
 * @param surroundings - See {@link Surroundings}.
 * @returns The exit code; this never rejects.
 */
export async function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { out, err } = surroundings;
  const [name, ...rest] = args;
  try {
    if (name === undefined || name === "--help" || name === "-h") {
      out(help);
      return name === undefined ? failed : 0;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command) throw new UsageError("There is no such command.", "subfen");
    if (rest.includes("--help") || rest.includes("-h")) {
      out(command.help);
      return 0;
    }
    return await command.run(rest, surroundings);
  } catch (error) {
    if (isSubfenError(error)) err([error.shortMessage, ...error.metaMessages].join("\n"));
    else err(`It could not be done: the node did not answer as it should (${kindOf(error)}).`);
    return failed;
  }
}

function kindOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
