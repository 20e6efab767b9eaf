import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect } from "chai";

import { parseYuan } from "../../sdk/src/index.ts";
import { createGateway, createMemoryLedger, type Gateway, pricePerRequest } from "../../sdk/src/server/index.ts";
import { createWorld, payerKey, serve, type World } from "../server/helpers.ts";

const price = parseYuan("0.2");
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe("the unmodified mppx command line", function () {
  this.timeout(60_000);
  let world: World;
  let gateway: Gateway;
  let server: Awaited<ReturnType<typeof serve>>;
  let node: { url: string; server: Server };
  let folder: string;
  const worked: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "subfen-mppx-"));
    world = await createWorld();
    node = await serveChain(world);
    gateway = await createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm: "127.0.0.1",
      secret: "0123456789abcdef",
      ledger: createMemoryLedger(),
      suggestedDeposit: parseYuan("0.3"),
      charge: {},
      settler: false,
    });
    const sell = gateway.protect({ price: pricePerRequest(price) }, async (request) => {
      worked.push(request.method);
      return new Response("an answer", { headers: { "content-type": "text/plain" } });
    });
    server = await serve(async (request) => {
      const document = documents[new URL(request.url).pathname];
      return document === undefined ? sell(request) : new Response(document);
    });
  });
  after(async () => {
    await server.close();
    await gateway.close();
    node.server.closeAllConnections();
    node.server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => void (worked.length = 0));

  /** Runs the command in a folder of its own, with nothing of this machine's user in reach. */
  function mppx(args: readonly string[], env: Record<string, string>): Promise<string> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [
          "--disable-warning=ExperimentalWarning",
          "--conditions=subfen-source",
          file("../../node_modules/mppx/dist/bin.js"),
          ...args,
        ],
        {
          cwd: folder,
          env: {
            PATH: "",
            HOME: folder,
            NO_COLOR: "1",
            NO_UPDATE_NOTIFIER: "1",
            MPPX_PRIVATE_KEY: payerKey,
            RPC_URL: node.url,
            TOKEN: world.token.address,
            ...env,
          },
        },
        (_error, stdout) => resolve(stdout),
      );
    });
  }

  it("pays evm/session by subfen/mppx through --config", async () => {
    const before = await world.openings();
    expect(await mppx(["--config", file("../../examples/mppx/config.ts"), `${server.url}/work`], {})).to.include(
      "an answer",
    );
    const opened = (await world.openings()).filter((channelId) => !before.includes(channelId));
    expect(opened).to.have.lengthOf(1);
    expect(await gateway.ledger.getChannel(opened[0]!)).to.include({ spent: price, accepted: price });
    expect(worked).to.deep.equal(["GET"]);
  });

  it("validate finds nothing wrong and skips nothing, with a wallet that pays both intents", async () => {
    const before = await world.balanceOf(world.seller.address);
    const text = await mppx(["validate", server.url, "--yes", "--output-json"], {
      MPPX_CONFIG: file("../../examples/mppx/config.ts"),
    });
    type Line = { severity: string; label: string; detail?: string };
    const { summary, endpoints } = JSON.parse(text.slice(text.indexOf("{"))) as {
      summary: Record<string, number>;
      endpoints: { challenge: Line[]; errorHandling: Line[]; payment: Line[] }[];
    };
    // It exits 0 whatever it finds, and skips what it cannot pay: so it is counted.
    expect(summary).to.include({ failed: 0, warnings: 0, skipped: 0 });
    const [found] = endpoints;
    const passed = [...found!.challenge, ...found!.errorHandling, ...found!.payment]
      .filter(({ severity }) => severity === "pass")
      .map(({ label, detail = "" }) => (/parseable|Payment: successful/.test(label) ? `${label}: ${detail}` : label));
    const each = (label: string) => passed.filter((one) => one === label).length;
    for (const label of [
      "Returns 402 without credentials",
      "WWW-Authenticate header present",
      "Challenge parseable: 2 methods: evm/session, evm/charge",
      "Challenge has id",
      "Challenge has realm",
      "Challenge expires in the future",
      "Realm matches server hostname",
      "Malformed credential returns 402",
      "Error response includes fresh challenge",
    ]) {
      expect(each(label), label).to.equal(1);
    }
    for (const label of [
      "[evm] Valid recipient address",
      "[evm] Valid currency address",
      "[evm] Amount is valid integer string",
      "[evm] Has chainId",
      "Payment [evm]: submitted",
      "Payment: successful: HTTP 200",
      "Payment-Receipt header present",
      'Receipt status is "success"',
      "Receipt reference valid",
      "Receipt timestamp recent",
    ]) {
      expect(each(label), label).to.equal(2);
    }
    expect(worked).to.deep.equal(["GET", "GET"]);
    expect(await world.balanceOf(world.seller.address)).to.equal(before + price);
  });
});

/** What a seller publishes beside its gateway, for agents to find. */
const documents: Record<string, string> = {
  "/llms.txt": "One answer a request, at /work.",
  "/openapi.json": JSON.stringify({
    openapi: "3.1.0",
    info: { title: "Answers", version: "1" },
    paths: { "/work": { get: { responses: { 200: { description: "ok" }, 402: { description: "pay" } } } } },
  }),
};

/** The simulated chain over HTTP, for processes beside this one. */
async function serveChain({ provider }: World): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, never>;
    const answer = await provider.request({ method: method!, params: params! }).then(
      (result) => ({ result }),
      ({ code, message }: { code: number; message: string }) => ({ error: { code, message } }),
    );
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
