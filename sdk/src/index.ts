export * from "./chain/index.ts";
export * from "./client/index.ts";
export { isSubfenError, SubfenError } from "./errors.ts";
export * from "./protocol/index.ts";
