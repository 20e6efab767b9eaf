import { bundle } from "./bundle.ts";
import type { GatewayOptions } from "./gateway.ts";
import type { Process } from "./processes.ts";

export type GatewayProcess = Awaited<ReturnType<typeof createGatewayProcess>>;

/** The seller's process seen from outside. The next one is loaded while one runs, so that it is away for a short time. */
export async function createGatewayProcess(options: GatewayOptions) {
  const start = await bundle("gateway.ts");
  const load = (): Process => start("runGateway", options);
  let spare = load();
  let current: Process | undefined;

  function requireOpen(): Process {
    if (!current) throw new Error("no gateway was opened");
    return current;
  }

  return {
    /** Opens the next one; resolves when it answers. */
    async open(): Promise<void> {
      current = spare;
      spare = load();
      await current.line(/^loaded$/);
      current.tell("open");
      await current.line(/^ready$/);
    },
    kill: (): Promise<void> => requireOpen().kill(),
    /** Has everything settled. @returns What failed. */
    async settle(): Promise<string> {
      requireOpen().tell("settle");
      return (await requireOpen().line(/^settled, .*$/))[0];
    },
    /** Waits for a line that it writes. */
    line: (pattern: RegExp): Promise<RegExpExecArray> => requireOpen().line(pattern),
    output: () => requireOpen().output(),
  };
}
