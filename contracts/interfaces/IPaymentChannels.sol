// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ITokenCustody} from "./ITokenCustody.sol";

/// @title Payment channels for many tiny payments
/// @notice A payer locks a deposit for one payee and signs, off chain, statements of the total it owes. The payee
/// captures what it earned whenever it likes, many payments in one transaction.
///
/// Every amount is in base units of the channel's token, every time in seconds (Unix time for points, plain seconds for
/// periods). The surface follows draft-evm-session-00; docs/protocol.md says where and why it differs.
///
/// Tokens: plain ERC-20. A token that takes a fee on transfer is refused when funds come in. A token whose balances change
/// by other means than transfers must not be used: it would let one channel draw on another's deposit.
///
/// Signatures: 65 bytes `r || s || v`, low `s`, `v` 27 or 28. ECDSA is tried first and ERC-1271 only where that fails,
/// so that an account which gains code (EIP-7702) cannot disown what it signed before.
interface IPaymentChannels is ITokenCustody {
    /// @notice What a channel is about. Never stored: its hash is the channel's id, and callers pass it along.
    /// @param payer Owns the deposit; gets what is left of it
    /// @param payee Is paid
    /// @param token The ERC-20 token all amounts are in
    /// @param salt Entropy chosen by the payer; a finalized id never opens again, so a new channel needs a new salt
    /// @param authorizedSigner Signs vouchers for the payer; the zero address means the payer itself
    struct Terms {
        address payer;
        address payee;
        address token;
        bytes32 salt;
        address authorizedSigner;
    }

    /// @notice What is stored of a channel: one slot.
    /// @param deposit Everything ever put in
    /// @param settled The total captured by the payee so far; never decreases
    /// @param closeRequestedAt When the payer asked to close; 0 while no close is pending
    /// @param finalized True for good once the channel is closed
    struct Channel {
        uint104 deposit;
        uint104 settled;
        uint40 closeRequestedAt;
        bool finalized;
    }

    /// @notice A voucher together with the amount to capture by it.
    /// @param terms The channel
    /// @param amount The total captured once this claim is accepted; at most `cumulativeAmount` and the deposit
    /// @param cumulativeAmount The total that the voucher allows
    /// @param signature The voucher's signature by the authorized signer
    struct Claim {
        Terms terms;
        uint128 amount;
        uint128 cumulativeAmount;
        bytes signature;
    }

    /// @notice A claim inside a batch, whose payee and token are given once. ECDSA only.
    /// @param payer The channel's payer
    /// @param authorizedSigner As in the terms
    /// @param salt As in the terms
    /// @param amount As in a claim
    /// @param cumulativeAmount As in a claim
    /// @param r The signature's `r`
    /// @param vs The signature's `s`, with `v - 27` in the highest bit (EIP-2098)
    struct BatchClaim {
        address payer;
        address authorizedSigner;
        bytes32 salt;
        uint128 amount;
        uint128 cumulativeAmount;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A payment of a conditional voucher, together with the evidence that it is due.
    /// @param index Its place in the voucher, from 0; strictly ascending over the claim
    /// @param ref 32 bytes that name the payment within its channel; strictly ascending over the claim
    /// @param condition The ICondition that says how much is due
    /// @param amount The most that can become due
    /// @param parameters What the condition was agreed with
    /// @param evidence What meets it
    // solhint-disable-next-line gas-struct-packing
    struct ProvenPayment {
        uint8 index;
        bytes32 ref;
        address condition;
        uint128 amount;
        bytes parameters;
        bytes evidence;
    }

    /// @notice A conditional voucher together with evidence and the amount to capture by it.
    /// @param terms The channel
    /// @param amount The total captured once this claim is accepted; at most the entitlement (`cumulativeAmount` and what
    /// is due of the proven payments) and the deposit
    /// @param cumulativeAmount The total that the voucher allows without a condition
    /// @param paymentHashes The EIP-712 struct hash of every payment of the voucher, in its order. At the places of proven
    /// payments it is overwritten by the hash of what was proven, and may be anything
    /// @param proven The payments to be counted
    /// @param signature The voucher's signature by the authorized signer
    struct ConditionalClaim {
        Terms terms;
        uint128 amount;
        uint128 cumulativeAmount;
        bytes32[] paymentHashes;
        ProvenPayment[] proven;
        bytes signature;
    }

    /// @notice A channel was opened. Carries all its terms, so that a payer that lost its state finds its channels.
    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        address token,
        address authorizedSigner,
        bytes32 salt,
        uint256 deposit
    );
    /// @notice The deposit grew to `deposit`.
    event ChannelToppedUp(bytes32 indexed channelId, uint256 deposit);
    /// @notice The payee has captured `settled` in all.
    event ChannelSettled(bytes32 indexed channelId, uint256 settled);
    /// @notice The channel ended: `settled` went to the payee in all, `refunded` back to the payer.
    event ChannelClosed(bytes32 indexed channelId, uint256 settled, uint256 refunded);
    /// @notice The payer asked to close; `withdraw` works from `readyAt` on.
    event CloseRequested(bytes32 indexed channelId, uint256 readyAt);
    /// @notice The payer took its request to close back.
    event CloseRequestCancelled(bytes32 indexed channelId);
    /// @notice A claim of a batch was left out; `reason` is the selector of the error that `settle` would have thrown.
    event ClaimSkipped(bytes32 indexed channelId, bytes4 reason);
    /// @notice `payee` allowed `operator` to settle for it, or no longer does.
    event OperatorSet(address indexed payee, address indexed operator, bool approved);

    /// @notice The grace period is not between the bounds.
    error InvalidGracePeriod(uint256 closeGracePeriod, uint256 minimum, uint256 maximum);
    /// @notice The payee is the zero address or this contract: neither could ever be paid.
    error InvalidPayee(address payee);
    /// @notice A deposit must be positive.
    error ZeroDeposit();
    /// @notice The channel's deposit would be larger than it can hold.
    error DepositOverflow(uint256 deposit, uint256 maximum);
    /// @notice A channel with these terms exists, or existed.
    error ChannelAlreadyExists(bytes32 channelId);
    /// @notice No channel has this id.
    error ChannelNotFound(bytes32 channelId);
    /// @notice The channel is closed for good.
    error ChannelFinalized(bytes32 channelId);
    /// @notice Only the channel's payer may do this.
    error NotPayer(address caller, address payer);
    /// @notice Only the channel's payee (for settling: or its operator) may do this.
    error NotPayee(address caller, address payee);
    /// @notice The amount captures nothing beyond what is settled.
    error AmountNotIncreasing(uint256 amount, uint256 settled);
    /// @notice A channel cannot close below what is settled.
    error AmountBelowSettled(uint256 amount, uint256 settled);
    /// @notice The amount is above what the statement and its evidence are worth.
    error AmountExceedsEntitlement(uint256 amount, uint256 entitlement);
    /// @notice A proven payment's index or ref is not above that of the one before it.
    error ProvenPaymentsNotAscending(uint256 index, bytes32 ref);
    /// @notice A proven payment's index is beyond the voucher's payments.
    error ProvenPaymentNotFound(uint256 index, uint256 paymentCount);
    /// @notice The amount is above the channel's deposit.
    error AmountExceedsDeposit(uint256 amount, uint256 deposit);
    /// @notice The EIP-3009 nonce is not the hash of what it must bind.
    error NonceMismatch(bytes32 nonce, bytes32 expected);
    /// @notice A request to close is pending already; the timer stays.
    error CloseAlreadyRequested(uint256 readyAt);
    /// @notice No request to close is pending.
    error CloseNotRequested(bytes32 channelId);
    /// @notice The grace period has not passed.
    error CloseNotReady(uint256 readyAt);

    /// @notice Opens a channel; the caller is the payer. Needs an allowance of `deposit` to this contract.
    /// @param payee Who is to be paid
    /// @param token ERC-20 token
    /// @param deposit Base units to lock; positive, at most 2^104 - 1
    /// @param salt Entropy, new for each channel of the same parties
    /// @param authorizedSigner Who signs vouchers; the zero address means the payer
    /// @return channelId The channel's id
    /// @dev Errors: InvalidPayee, ZeroDeposit, DepositOverflow, ChannelAlreadyExists, InvalidToken,
    /// UnexpectedTransferAmount, or the token's own.
    function open(
        address payee,
        address token,
        uint128 deposit,
        bytes32 salt,
        address authorizedSigner
    ) external returns (bytes32 channelId);

    /// @notice Opens a channel paid by an EIP-3009 authorization of `from`, which becomes the payer. Anyone may send it:
    /// the nonce binds every term, so nobody can change one.
    /// @param payee Who is to be paid
    /// @param token ERC-20 token with EIP-3009's `receiveWithAuthorization` in its `bytes signature` form
    /// @param deposit Base units to lock; the authorization's value
    /// @param salt Entropy
    /// @param authorizedSigner Who signs vouchers; the zero address means `from`
    /// @param from The payer
    /// @param validAfter The authorization is good after this time
    /// @param validBefore The authorization is good before this time
    /// @param nonce `keccak256(abi.encode(from, payee, token, salt, authorizedSigner))`
    /// @param signature The authorization's signature by `from`
    /// @return channelId The channel's id
    /// @dev Errors: NonceMismatch and those of `open`.
    function openWithAuthorization(
        address payee,
        address token,
        uint128 deposit,
        bytes32 salt,
        address authorizedSigner,
        address from,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external returns (bytes32 channelId);

    /// @notice Adds to the deposit; takes a pending request to close back. Only the payer; needs an allowance.
    /// @param terms The channel
    /// @param additionalDeposit Base units to add; positive
    /// @dev Errors: NotPayer, ChannelNotFound, ChannelFinalized, ZeroDeposit, DepositOverflow, InvalidToken,
    /// UnexpectedTransferAmount, or the token's own.
    function topUp(Terms calldata terms, uint128 additionalDeposit) external;

    /// @notice Adds to the deposit by an EIP-3009 authorization of anybody, sent by anybody. Refunds still go to the payer.
    /// A pending request to close stays: a withheld authorization must not be able to cancel it.
    /// @param terms The channel
    /// @param additionalDeposit Base units to add; the authorization's value
    /// @param from Who pays
    /// @param topUpSalt Entropy, new for each top-up of one amount
    /// @param validAfter The authorization is good after this time
    /// @param validBefore The authorization is good before this time
    /// @param nonce `keccak256(abi.encode(channelId, additionalDeposit, from, topUpSalt))`
    /// @param signature The authorization's signature by `from`
    /// @dev Errors: NonceMismatch, and those of `topUp` without NotPayer.
    function topUpWithAuthorization(
        Terms calldata terms,
        uint128 additionalDeposit,
        address from,
        bytes32 topUpSalt,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Lets `operator` settle the caller's channels, or stops it. The money still goes to the caller.
    /// @param operator A hot key or a watchtower
    /// @param approved True to allow
    function setOperator(address operator, bool approved) external;

    /// @notice Captures up to `claim.amount` in all and pays the growth to the payee. Only the payee or its operator.
    /// @param claim The voucher and the amount
    /// @dev Errors: NotPayee, ChannelNotFound, ChannelFinalized, AmountNotIncreasing, AmountExceedsEntitlement,
    /// AmountExceedsDeposit, InvalidSignature, InsufficientPayoutGas.
    function settle(Claim calldata claim) external;

    /// @notice As `settle`, by a conditional voucher: what is due of the proven payments counts with its unconditional
    /// total. A payment whose condition has no code, reverts or returns less than 32 bytes counts nothing. A condition that
    /// burns gas burns the claim's: leave its payment unproven.
    /// @param claim The conditional voucher, the evidence and the amount
    /// @dev Errors: those of `settle`, ProvenPaymentsNotAscending, ProvenPaymentNotFound.
    function settleConditional(ConditionalClaim calldata claim) external;

    /// @notice As `settle`, sent by anyone with the payee's signature over the amount.
    /// @param claim The voucher and the amount
    /// @param nonce Signed by the payee, not stored: the amount's growth is what stops a replay
    /// @param deadline Last second at which this may be sent
    /// @param payeeSignature The payee's SettleAuthorization(channelId, claim.amount, nonce, deadline)
    /// @dev Errors: AuthorizationExpired, and those of `settle` without NotPayee.
    function settleWithAuthorization(
        Claim calldata claim,
        uint256 nonce,
        uint256 deadline,
        bytes calldata payeeSignature
    ) external;

    /// @notice Settles many channels of one payee and token and pays once. Only the payee or its operator. A claim that
    /// `settle` would refuse is left out with a ClaimSkipped; a batch with nothing to pay does not revert.
    /// @param payee The payee of every claim
    /// @param token The token of every claim
    /// @param claims Vouchers by ECDSA signers
    /// @dev Errors: NotPayee, InsufficientPayoutGas.
    function settleBatch(address payee, address token, BatchClaim[] calldata claims) external;

    /// @notice Captures `claim.amount` in all, refunds the rest to the payer and ends the channel. Only the payee, never
    /// its operator. At the settled amount (an unused channel, or a payee that forfeits) signature and statement are
    /// ignored and may be empty.
    /// @param claim The voucher and the amount
    /// @dev Errors: NotPayee, ChannelNotFound, ChannelFinalized, AmountBelowSettled, AmountExceedsEntitlement,
    /// AmountExceedsDeposit, InvalidSignature, InsufficientPayoutGas.
    function close(Claim calldata claim) external;

    /// @notice As `close`, by a conditional voucher; what of it is not proven is forfeited. At the settled amount
    /// signature, statement and evidence are ignored and may be empty.
    /// @param claim The conditional voucher, the evidence and the amount
    /// @dev Errors: those of `close`, ProvenPaymentsNotAscending, ProvenPaymentNotFound.
    function closeConditional(ConditionalClaim calldata claim) external;

    /// @notice As `close`, sent by anyone with the payee's signature over the amount.
    /// @param claim The voucher and the amount
    /// @param nonce Signed by the payee, not stored: finalization is what stops a replay
    /// @param deadline Last second at which this may be sent
    /// @param payeeSignature The payee's CloseAuthorization(channelId, claim.amount, nonce, deadline)
    /// @dev Errors: AuthorizationExpired, and those of `close` without NotPayee.
    function closeWithAuthorization(
        Claim calldata claim,
        uint256 nonce,
        uint256 deadline,
        bytes calldata payeeSignature
    ) external;

    /// @notice Starts the grace period after which the deposit's rest can be withdrawn. Only the payer.
    /// @param terms The channel
    /// @dev Errors: NotPayer, ChannelNotFound, ChannelFinalized, CloseAlreadyRequested.
    function requestClose(Terms calldata terms) external;

    /// @notice As `requestClose`, sent by anyone with the payer's signature. The signature stays good until its deadline,
    /// even after the payer took the request back by a top-up: sign short deadlines.
    /// @param terms The channel
    /// @param deadline Last second at which this may be sent
    /// @param payerSignature The payer's CloseRequest(channelId, deadline)
    /// @dev Errors: AuthorizationExpired, InvalidSignature, and those of `requestClose` without NotPayer.
    function requestCloseWithAuthorization(
        Terms calldata terms,
        uint64 deadline,
        bytes calldata payerSignature
    ) external;

    /// @notice Refunds what is not settled to the payer and ends the channel, once the grace period has passed. Anyone.
    /// @param terms The channel
    /// @dev Errors: ChannelNotFound, ChannelFinalized, CloseNotRequested, CloseNotReady, InsufficientPayoutGas.
    function withdraw(Terms calldata terms) external;

    /// @param channelId The channel
    /// @return channel Its state; all zeros when there is no such channel
    function getChannel(bytes32 channelId) external view returns (Channel memory channel);

    /// @param channelIds Many channels
    /// @return channels Their states in the same order
    function getChannels(bytes32[] calldata channelIds) external view returns (Channel[] memory channels);

    /// @param payee Who is paid
    /// @param operator Who may settle for it
    /// @return True if `payee` allowed it
    function isOperator(address payee, address operator) external view returns (bool);

    /// @param terms The channel
    /// @return `keccak256(abi.encode(payer, payee, token, salt, authorizedSigner, address(this), block.chainid))`
    function computeChannelId(Terms calldata terms) external view returns (bytes32);

    /// @param channelId The channel
    /// @param cumulativeAmount Base units
    /// @return The EIP-712 digest of `Voucher(channelId, cumulativeAmount)`
    function getVoucherDigest(bytes32 channelId, uint128 cumulativeAmount) external view returns (bytes32);

    /// @return The EIP-712 domain separator: "EVM Payment Channel", version "1"
    function domainSeparator() external view returns (bytes32);

    /// @return Seconds between a request to close and the withdrawal
    function CLOSE_GRACE_PERIOD() external view returns (uint40);
}
