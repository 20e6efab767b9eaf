import { expect } from "chai";

import { isSubfenError, SubfenError } from "../../../sdk/src/errors.ts";
import { parseYuan } from "../../../sdk/src/protocol/index.ts";

describe("SubfenError", () => {
  it("puts what, the numbers and what to do into the message, and keeps code and cause", () => {
    const cause = new Error("https://rpc.example/key-123");
    const error = new SubfenError("Too much.", { code: "too-much", metaMessages: ["Given: 5", "Do: less."], cause });

    expect(error.message).to.equal("Too much.\n\nGiven: 5\nDo: less.");
    expect(error.shortMessage).to.equal("Too much.");
    expect(error.metaMessages).to.deep.equal(["Given: 5", "Do: less."]);
    expect(error.code).to.equal("too-much");
    expect(error.cause).to.equal(cause);
    expect(error).to.be.instanceOf(Error);
  });

  it("has no cause and no empty lines where there is none", () => {
    const error = new SubfenError("Too much.", { code: "too-much" });

    expect(error.message).to.equal("Too much.");
    expect("cause" in error).to.equal(false);
  });

  it("names the subclass and the code", () => {
    try {
      parseYuan("x");
      expect.fail("accepted");
    } catch (error) {
      expect(error).to.include({ name: "InvalidAmountError", code: "invalid-amount" });
    }
  });
});

describe("isSubfenError", () => {
  it("recognises errors of another copy of the package, and of one kind by code (F114)", async () => {
    // A variable, since the compiler knows no such module.
    const copyPath = "../../../sdk/src/errors.ts?copy";
    const copy = (await import(copyPath)) as typeof import("../../../sdk/src/errors.ts");
    const error: unknown = new copy.SubfenError("Too much.", { code: "too-much" });

    expect(error).not.to.be.instanceOf(SubfenError);
    expect(isSubfenError(error)).to.equal(true);
    expect(isSubfenError(error, "too-much")).to.equal(true);
    expect(isSubfenError(error, "too-little")).to.equal(false);
  });

  it("refuses everything else", () => {
    for (const value of [new Error("no"), { code: "too-much" }, "too-much", 5, null, undefined])
      expect(isSubfenError(value), String(value)).to.equal(false);
  });
});
