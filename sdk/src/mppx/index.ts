export type { KeptChannel } from "./channels.ts";
export { type MppxChallenge, session, type SessionMethod } from "./session.ts";
