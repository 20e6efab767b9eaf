import { SubfenError } from "../errors.ts";

/** What a command is given of its surroundings. */
export type Surroundings = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes a line of the result. */
  readonly out: (line: string) => void;
  /** Writes a line about the work: progress, warnings, errors. */
  readonly err: (line: string) => void;
};

/** A part of the command line. */
export type Command = {
  readonly help: string;
  /** @returns The exit code. */
  run(args: string[], surroundings: Surroundings): Promise<number>;
};

/** The command line was not understood. Its values are not repeated: one of them may be an address with a key. */
export class UsageError extends SubfenError {
  override readonly name = "UsageError";

  constructor(fault: string, command: string) {
    super(fault, { code: "usage", metaMessages: [`${command} --help tells what there is.`] });
  }
}
