import { expect } from "chai";

import {
  channelStatusPath,
  formatChannelStatus,
  formatStatusAuthorization,
  MalformedError,
  parseChannelStatus,
  parseChannelStatusPath,
  parseStatusAuthorization,
} from "../../../sdk/src/wire/index.ts";

const channelId = `0x${"ab".repeat(32)}` as const;
const status = {
  channelId,
  acceptedCumulative: 2n ** 128n - 1n,
  signature: `0x${"cd".repeat(65)}`,
  spent: 25n * 10n ** 18n,
  held: 0n,
} as const;

describe("the status of a channel", () => {
  it("F093: comes back as it was, above 64 bits too", () => {
    expect(parseChannelStatus(formatChannelStatus(status))).to.deep.equal(status);
  });

  it("has the payments of a conditional statement, and none for a voucher", () => {
    const payment = {
      ref: `0x${"01".repeat(32)}`,
      condition: `0x${"02".repeat(20)}`,
      parametersHash: `0x${"03".repeat(32)}`,
      amount: 7n,
    } as const;
    for (const payments of [[], [payment]]) {
      expect(parseChannelStatus(formatChannelStatus({ ...status, payments }))).to.deep.equal({ ...status, payments });
    }
    const parse = (payments: unknown) =>
      parseChannelStatus(JSON.stringify({ ...JSON.parse(formatChannelStatus(status)), payments }));
    expect(() => parse("x")).to.throw(MalformedError, "payments");
    expect(() => parse([1])).to.throw(MalformedError, "ref");
  });

  it("ignores members it does not know", () => {
    const text = JSON.stringify({ ...JSON.parse(formatChannelStatus(status)), more: 1 });
    expect(parseChannelStatus(text)).to.deep.equal(status);
  });

  for (const name of ["channelId", "acceptedCumulative", "signature", "spent", "held"]) {
    for (const value of [undefined, null, 5, -1, "-1", "0x", "", "1e3", "01", String(2n ** 128n), ["1"]]) {
      it(`F093: refuses ${JSON.stringify(value)} for ${name}`, () => {
        const text = JSON.stringify({ ...JSON.parse(formatChannelStatus(status)), [name]: value });
        expect(() => parseChannelStatus(text)).to.throw(MalformedError, name);
      });
    }
  }

  it("refuses what is no object", () => {
    for (const text of ["", "{", "null", "[]", '"x"']) {
      expect(() => parseChannelStatus(text), text).to.throw(MalformedError);
    }
  });
});

describe("the question for it", () => {
  it("has one address a channel, whatever the case of its id", () => {
    expect(channelStatusPath(channelId)).to.equal(`/.well-known/subfen/channels/${channelId}`);
    expect(channelStatusPath(`0x${"AB".repeat(32)}`)).to.equal(channelStatusPath(channelId));
    expect(parseChannelStatusPath(channelStatusPath(channelId))).to.equal(channelId);
    for (const path of [
      "/",
      `/x${channelStatusPath(channelId)}`,
      channelStatusPath("0x12"),
      "/.well-known/subfen/channels/",
    ]) {
      expect(parseChannelStatusPath(path), path).to.equal(undefined);
    }
  });

  it("comes back as it was, and only in its one form", () => {
    const asked = { timestamp: 1_893_456_000_000n, signature: `0x${"cd".repeat(65)}` } as const;
    const header = formatStatusAuthorization(asked);
    expect(header).to.equal(`Subfen timestamp="1893456000000", signature="${asked.signature}"`);
    expect(parseStatusAuthorization(header)).to.deep.equal(asked);
    for (const other of [
      null,
      "",
      header.slice(0, -2),
      `${header} `,
      header.replace('"1', '"01'),
      header.replace("S", "s"),
    ]) {
      expect(parseStatusAuthorization(other), String(other)).to.equal(undefined);
    }
  });
});
