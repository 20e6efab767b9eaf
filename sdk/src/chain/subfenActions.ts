import * as events from "./channelEvents.ts";
import * as channels from "./channels.ts";
import { checkTask } from "./checkTask.ts";
import * as conditionally from "./claimConditionally.ts";
import * as closing from "./closeChannel.ts";
import * as credit from "./credit.ts";
import * as funding from "./fundChannel.ts";
import * as taskFunding from "./fundTask.ts";
import { getTask } from "./getTask.ts";
import { planConditionalClaim } from "./planConditionalClaim.ts";
import * as refunding from "./refundTask.ts";
import * as releasing from "./releaseTask.ts";
import * as reviews from "./reviewWork.ts";
import * as settling from "./settleChannel.ts";
import * as taskEvents from "./taskEvents.ts";
import * as token from "./token.ts";
import { type ChainClient, confirmTransaction } from "./write.ts";

const actions = {
  getChannel: channels.getChannel,
  getChannels: channels.getChannels,
  getCloseGracePeriod: channels.getCloseGracePeriod,
  isOperator: channels.isOperator,
  channelEvents: events.channelEvents,
  findChannels: events.findChannels,
  openChannel: funding.openChannel,
  openChannelWithAuthorization: funding.openChannelWithAuthorization,
  topUpChannel: funding.topUpChannel,
  topUpChannelWithAuthorization: funding.topUpChannelWithAuthorization,
  setOperator: settling.setOperator,
  settleChannel: settling.settleChannel,
  settleChannels: settling.settleChannels,
  settleChannelWithAuthorization: settling.settleChannelWithAuthorization,
  planConditionalClaim,
  settleChannelConditionally: conditionally.settleChannelConditionally,
  closeChannelConditionally: conditionally.closeChannelConditionally,
  closeChannel: closing.closeChannel,
  closeChannelWithAuthorization: closing.closeChannelWithAuthorization,
  requestCloseChannel: closing.requestCloseChannel,
  requestCloseChannelWithAuthorization: closing.requestCloseChannelWithAuthorization,
  withdrawChannel: closing.withdrawChannel,
  getCredit: credit.getCredit,
  claimCredit: credit.claimCredit,
  getTask,
  checkTask,
  taskEvents: taskEvents.taskEvents,
  findTasks: taskEvents.findTasks,
  fundTask: taskFunding.fundTask,
  fundTaskWithAuthorization: taskFunding.fundTaskWithAuthorization,
  fundTasks: taskFunding.fundTasks,
  releaseTask: releasing.releaseTask,
  releaseTaskWithAuthorization: releasing.releaseTaskWithAuthorization,
  claimTask: releasing.claimTask,
  refundTask: refunding.refundTask,
  refundTaskWithAuthorization: refunding.refundTaskWithAuthorization,
  submitWork: reviews.submitWork,
  objectToWork: reviews.objectToWork,
  arbitrateWork: reviews.arbitrateWork,
  getReview: reviews.getReview,
  getTokenBalance: token.getTokenBalance,
  getTokenDomain: token.getTokenDomain,
  approveToken: token.approveToken,
  confirmTransaction,
};

type Actions = typeof actions;

/** The actions of this package as methods of a client. */
export type SubfenActions = {
  [name in keyof Actions]: (parameters: Parameters<Actions[name]>[1]) => ReturnType<Actions[name]>;
};

/**
 * Adds the actions of this package to a viem client.
 *
 * @returns A function for `client.extend`.
 * @example
 * import { createWalletClient, http } from "viem";
 * import { subfenActions } from "subfen";
 *
 * const client = createWalletClient({ account, transport: http() }).extend(subfenActions());
 * const channel = await client.getChannel({ contract, channelId });
 */
export function subfenActions() {
  return (client: ChainClient): SubfenActions =>
    Object.fromEntries(
      Object.entries(actions).map(([name, action]) => [
        name,
        (parameters: unknown) => (action as (client: ChainClient, parameters: unknown) => unknown)(client, parameters),
      ]),
    ) as SubfenActions;
}
