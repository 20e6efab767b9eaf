/** As long as an address with its `0x`, and shorter than a private key in any notation. */
const longestShown = 42;

/**
 * Names a refused value in an error message. What is longer than an address is described and not shown: a caller that
 * mixes up two fields must not find its private key in a log.
 *
 * @internal
 */
export function describeValue(value: unknown): string {
  if (typeof value === "string")
    return value.length <= longestShown ? JSON.stringify(value) : `a string of ${value.length} characters`;
  if (typeof value === "bigint") {
    const digits = value.toString();
    return digits.length <= longestShown ? digits : `an integer of ${digits.length} digits`;
  }
  if (typeof value === "number") return `the JavaScript number ${value}`;
  if (value === null || value === undefined) return String(value);
  return `a value of type ${typeof value}`;
}
