import { isSubfenError } from "../../errors.ts";

/** The result codes of SQLite that its user can do something about. */
const reasons: Readonly<Record<number, string>> = {
  5: "another process is writing to it for too long",
  8: "its file may not be written",
  10: "its disk fails or is full",
  13: "its disk is full",
  14: "its file cannot be opened",
};
const notADatabase = 26;

/**
 * Says in words why SQLite refused. The cause has the details.
 *
 * @param cause - What was thrown.
 * @param content - What its file should hold.
 */
export function describeFailure(cause: unknown, content = "ledger"): string {
  if (isSubfenError(cause)) return cause.shortMessage.replace(/\.$/, "");
  const { errcode } = cause as { errcode?: unknown };
  if (typeof errcode !== "number") return "its database failed";
  // The low byte is the code, the others only refine it.
  const code = errcode & 0xff;
  return code === notADatabase ? `its file is no ${content}` : (reasons[code] ?? "its database failed");
}
