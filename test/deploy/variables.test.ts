import { expect } from "chai";

import { Refusal } from "../../scripts/deploy/refusal.ts";
import { toChainId } from "../../scripts/deploy/networks.ts";
import { redact } from "../../scripts/deploy/secrets.ts";
import { readAccount, readOrigin } from "../../scripts/deploy/variables.ts";
import { deployer, key } from "./deployment.ts";

const variableOf = (value: string | undefined) => ({
  get: () => (value === undefined ? Promise.reject(new Error("not found")) : Promise.resolve(value)),
});

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(Refusal);
  return (error as Refusal).message;
}

describe("F112: variables of npm run deploy", () => {
  it("takes a key with or without 0x", async () => {
    expect(await readAccount(variableOf(key))).to.equal(deployer);
    expect(await readAccount(variableOf(key.slice(2)))).to.equal(deployer);
  });

  it("names the variable of a key that is missing, blank or malformed, never its value", async () => {
    for (const value of [undefined, "", " \n\t"]) {
      expect(await refusalOf(readAccount(variableOf(value)))).to.equal(
        "SUBFEN_DEPLOYER_KEY is not set, or blank. Give it the private key of the account that deploys: " +
          "in the environment, or by `npm run hardhat -- keystore set SUBFEN_DEPLOYER_KEY`.",
      );
    }
    const nobodys = [
      "0x",
      key.slice(0, -1),
      `${key}1`,
      `${key} `,
      `0x${"00".repeat(32)}`,
      `0x${"ff".repeat(32)}`,
      "zz".repeat(32),
    ];
    for (const value of nobodys) {
      expect(await refusalOf(readAccount(variableOf(value)))).to.equal(
        "SUBFEN_DEPLOYER_KEY is not a private key: that is 32 bytes, in 64 hexadecimal digits.",
      );
    }
  });

  it("tells of a URL nothing but its origin", async () => {
    const url = "https://user-name:pass-word@node.example:8443/v3/0123456789abcdef?token=query-secret";
    expect(await readOrigin("SUBFEN_RPC_URL", variableOf(url))).to.equal("https://node.example:8443");
    for (const value of [undefined, "", " "]) {
      expect(await refusalOf(readOrigin("SUBFEN_RPC_URL", variableOf(value)))).to.match(/^SUBFEN_RPC_URL is not set/);
    }
    for (const value of ["node.example/v3/secret", "wss://node.example/secret"]) {
      expect(await refusalOf(readOrigin("SUBFEN_RPC_URL", variableOf(value)))).to.equal(
        "SUBFEN_RPC_URL is not a URL that begins with http:// or https://.",
      );
    }
  });

  it("F113: keeps what it has read out of all that is printed", async () => {
    await readAccount(variableOf(key));
    await readOrigin(
      "SUBFEN_RPC_URL",
      variableOf("https://user-name:pass-word@node.example/v3/some-key?token=query-secret"),
    );
    const told =
      `fetch of https://user-name:pass-word@node.example/v3/some-key?token=query-secret failed: ${key}, ` +
      `${key.slice(2)}, /v3/some-key, token=query-secret, user-name`;
    await readOrigin(
      "SUBFEN_RPC_URL",
      variableOf("https://node.example/v3/0123456789abcdef/?project=fedcba9876543210"),
    );
    const refused = "0123456789abcdef is no key, fedcba9876543210 is no project";
    for (const secret of [key.slice(2), "some-key", "query-secret", "user-name", "pass-word"]) {
      expect(redact(told)).to.not.contain(secret);
    }
    expect(redact(refused)).to.equal("... is no key, ... is no project");
    const harmless = "The node at https://node.example is on chain 1.";
    expect(redact(harmless)).to.equal(harmless);
  });

  it("takes a chain's id as a whole number only", () => {
    expect(toChainId("84532")).to.equal(84532);
    for (const value of [undefined, "", " ", "0", "-1", "0x1", "1.5", "1e3", "9".repeat(20)]) {
      expect(toChainId(value), value).to.equal(undefined);
    }
  });
});
