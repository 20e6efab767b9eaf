export { WeakTokenError } from "../evaluator/bearerToken.ts";
export { createWatch, type Watch, type WatchLogger } from "./createWatch.ts";
export { CannotListenError } from "./listen.ts";
export { serve, type Service } from "./serve.ts";
