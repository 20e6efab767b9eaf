import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import {
  bearerToken,
  createEvaluator,
  createEvaluatorHandler,
  createSqliteRecord,
  jsonSchema,
  normalizedText,
  testCommand,
} from "subfen/evaluator";
import { toNodeListener } from "subfen/server";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { EVALUATOR_KEY, CONDITION, CHAIN_ID, TOKEN = "", PORT = "8403" } = process.env;
const account = privateKeyToAccount(EVALUATOR_KEY as Hex);
const at = { condition: CONDITION as Address, chainId: Number(CHAIN_ID) };

const record = await createSqliteRecord({ path: "verdicts.db", owner: { ...at, evaluator: account.address } });
const slug = {
  command: [process.execPath, "score.mjs"],
  files: fileURLToPath(new URL("slug", import.meta.url)),
  file: "slug.mjs",
  score: "last-line",
  timeout: 10_000,
} as const;
const checks = [jsonSchema(), normalizedText(), testCommand({ slug })];
const evaluator = createEvaluator({ ...at, account, record, checks, onError: console.error });

const handler = createEvaluatorHandler(evaluator, { authorize: bearerToken(TOKEN), onError: console.error });
createServer(toNodeListener(handler)).listen(Number(PORT), "127.0.0.1", () => {
  console.log(`${account.address} evaluates at http://127.0.0.1:${PORT}`);
});
