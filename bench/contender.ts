import type { RequestListener } from "node:http";

/** What every server answers, to those who paid and to those who need not. */
export const answer = JSON.stringify({ answer: "A fen is the smallest coin of the yuan.", tokens: 11 });
export const path = "/answer";

/** Base units that every contender asks for a request: 0.0012 of a token with six decimals. */
export const price = 1_200n;
/** Base units in every channel: enough for any run. */
export const deposit = 10n ** 15n;
/** The chain that all pretend to be on. Nothing of it is asked while a round runs but what a server asks by itself. */
export const chainId = 31337;

/** A server that is measured, and how its buyers pay. */
export type Contender = {
  readonly name: string;
  /** Where its books stand, as the results tell it. */
  readonly books: string;
  /**
   * Makes the server, in a process of its own.
   *
   * @param buyers - How many buyers there will be, each with a channel where the protocol has channels.
   * @param folder - For its files, on the disk of this checkout.
   */
  serve(buyers: number, folder: string): Promise<Server>;
  /**
   * Makes a buyer, in the process of the load generator.
   *
   * @param index - Which buyer, from 0.
   * @param challenge - How the server answers a request that does not pay.
   * @returns Makes the header of its next request, at any time before that is sent.
   */
  buyer(index: number, challenge: Response): Promise<() => Promise<Header | undefined>>;
};

/** A header's name and value. */
export type Header = readonly [name: string, value: string];

/** A server that is ready. */
export type Server = {
  readonly listener: RequestListener;
  /** @returns What its books say it has earned, in base units; `undefined` where nothing is paid. */
  earned(): Promise<bigint | undefined>;
};
