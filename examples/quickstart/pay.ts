import OpenAI from "openai";
import { parseYuan, payingFetch } from "subfen";
import { createWalletClient, type Hex, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const account = privateKeyToAccount(process.env.AGENT_KEY as Hex);
const client = createWalletClient({ account, transport: http(process.env.RPC_URL) });
const fetch = payingFetch({ account, client, maxDeposit: parseYuan("1"), maxPrice: parseYuan("0.05") });
const openai = new OpenAI({ baseURL: process.env.SELLER_URL, apiKey: "none needed", fetch });
const answer = await openai.chat.completions.create({ model: "m", messages: [{ role: "user", content: "Hello" }] });
console.log(answer.choices[0]?.message.content, await fetch.close());
