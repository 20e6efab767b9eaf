import { createServer } from "node:http";
import { parseYuan } from "subfen";
import { createFastAccount, createGateway, forwardTo, pricePerMillionTokens, toNodeListener } from "subfen/server";
import { type Address, createWalletClient, type Hex, http } from "viem";

const { SELLER_KEY, RPC_URL, TOKEN, SECRET = "", UPSTREAM = "" } = process.env;
const account = await createFastAccount({ privateKey: SELLER_KEY as Hex });
const client = createWalletClient({ account, transport: http(RPC_URL) });
const gateway = await createGateway({ client, token: TOKEN as Address, realm: "models.example", secret: SECRET });
const price = pricePerMillionTokens({ input: parseYuan("2"), output: parseYuan("8") });
const handler = gateway.protect({ price }, forwardTo(UPSTREAM));
createServer(toNodeListener(handler)).listen(Number(process.env.PORT ?? 8402), "127.0.0.1");
