import type { Json } from "../../wire/encoding.ts";
import { InvalidSpecError } from "../spec.ts";

type Options = { readonly [name: string]: Json | undefined };

/**
 * Takes a check's options. One that the check does not know might have mattered to who wrote it, so it is refused.
 *
 * @throws {InvalidSpecError} when there is one that is not known.
 */
export function readOptions<name extends string>(
  options: Options,
  known: readonly name[],
): Partial<Record<name, Json>> {
  for (const name of Object.keys(options))
    if (!known.some((other) => other === name))
      throw new InvalidSpecError(`the check has no option ${JSON.stringify(name.slice(0, 40))}`);
  return options as Partial<Record<name, Json>>;
}
