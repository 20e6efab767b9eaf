import { payingFetch } from "subfen";

/** What the compiler must refuse in a project that installed the tarball. */
export function refused(parameters: payingFetch.Parameters): unknown {
  // @ts-expect-error: amounts are bigint
  payingFetch({ ...parameters, maxDeposit: 1 });
  // @ts-expect-error: not an entry point
  return import("subfen/client/purse");
}
