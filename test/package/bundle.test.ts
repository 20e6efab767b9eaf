import { expect } from "chai";

import { bundle, limits, measure } from "../../scripts/size/bundle.ts";
import { rejection } from "../sdk/client/helpers.ts";

describe("bundles for browsers", function () {
  this.timeout(60_000);

  for (const entry of ["", "/protocol", "/chain", "/wire", "/client", "/ethers", "/mppx"])
    it(`hold all of subfen${entry} and nothing of Node or of native code`, async () => {
      const { modules } = await bundle(`export * from "subfen${entry}";`);
      expect(modules.filter((name) => name.includes("sdk/src/"))).not.to.deep.equal([]);
      const heavy = /secp256k1\/|libauth|hash-wasm|node_modules\/ethers\/|sdk\/src\/server/;
      expect(modules.filter((name) => heavy.test(name) && !name.includes("@noble/"))).to.deep.equal([]);
    });

  for (const entry of ["server", "ledger", "evaluator", "service"])
    it(`cannot hold subfen/${entry}, which needs Node`, async () => {
      const error = await rejection(bundle(`export * from "subfen/${entry}";`));
      expect(error.message).to.match(/Could not resolve "(?:node:)?(?:cluster|crypto|fs|module|timers)/);
    });

  it("hold of a pure function its own file and what that needs, without viem", async () => {
    const { modules } = await bundle(`export { formatYuan } from "subfen/protocol";`);
    const allowed = ["amounts.ts", "describeValue.ts", "errors.ts"];
    for (const name of modules) expect(allowed, name).to.include(name.split("/").at(-1));
  });

  it("hold no client of viem for an account that only signs", async () => {
    const { modules } = await bundle(
      `export { signVoucher } from "subfen"; export { accountFromEthers } from "subfen/ethers";`,
    );
    expect(
      modules.filter((name) => /viem\/_esm\/(clients|actions)\/|sdk\/src\/(chain|client)\//.test(name)),
    ).to.deep.equal([]);
  });

  for (const part of limits)
    it(`are at most ${part.limit} KB compressed: ${part.name}`, async () => {
      const { gzip } = await measure(part);
      expect(gzip).to.be.within(1, part.limit * 1000);
    });
});
