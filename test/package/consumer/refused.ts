// What the compiler must refuse in a project that installed the tarball.
import { payingFetch, type payingFetch as types } from "subfen";

declare const parameters: types.Parameters;
// @ts-expect-error: amounts are bigint
payingFetch({ ...parameters, maxDeposit: 1 });
// @ts-expect-error: not an entry point
export type Hidden = typeof import("subfen/client/purse");
