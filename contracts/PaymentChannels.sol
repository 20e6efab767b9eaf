// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ICondition} from "./interfaces/ICondition.sol";
import {IPaymentChannels} from "./interfaces/IPaymentChannels.sol";
import {Conditions} from "./libraries/Conditions.sol";
import {TokenCustody} from "./libraries/TokenCustody.sol";

/// @title PaymentChannels
/// @notice Everything a caller must know is told in IPaymentChannels.
contract PaymentChannels is IPaymentChannels, EIP712, TokenCustody {
    uint256 private constant MIN_GRACE_PERIOD = 600;
    uint256 private constant MAX_GRACE_PERIOD = 30 days;

    bytes32 private constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
    bytes32 private constant PAYMENT_TYPEHASH = keccak256(
        "ConditionalPayment(bytes32 ref,address condition,bytes32 parametersHash,uint128 amount)"
    );
    bytes32 private constant CONDITIONAL_VOUCHER_TYPEHASH = keccak256(
        "ConditionalVoucher(bytes32 channelId,uint128 cumulativeAmount,ConditionalPayment[] payments)"
        "ConditionalPayment(bytes32 ref,address condition,bytes32 parametersHash,uint128 amount)"
    );
    bytes32 private constant SETTLE_AUTHORIZATION_TYPEHASH = keccak256(
        "SettleAuthorization(bytes32 channelId,uint128 cumulativeAmount,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant CLOSE_AUTHORIZATION_TYPEHASH = keccak256(
        "CloseAuthorization(bytes32 channelId,uint128 cumulativeAmount,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant CLOSE_REQUEST_TYPEHASH = keccak256("CloseRequest(bytes32 channelId,uint64 deadline)");

    /// @inheritdoc IPaymentChannels
    uint40 public immutable CLOSE_GRACE_PERIOD;

    mapping(bytes32 channelId => Channel) private _channels;

    /// @inheritdoc IPaymentChannels
    mapping(address payee => mapping(address operator => bool)) public isOperator;

    constructor(uint40 closeGracePeriod) EIP712("EVM Payment Channel", "1") {
        if (closeGracePeriod < MIN_GRACE_PERIOD || closeGracePeriod > MAX_GRACE_PERIOD) {
            revert InvalidGracePeriod(closeGracePeriod, MIN_GRACE_PERIOD, MAX_GRACE_PERIOD);
        }
        CLOSE_GRACE_PERIOD = closeGracePeriod;
    }

    /* FUNDING */

    /// @inheritdoc IPaymentChannels
    function open(
        address payee,
        address token,
        uint128 deposit,
        bytes32 salt,
        address authorizedSigner
    ) external nonReentrant returns (bytes32 channelId) {
        channelId = _open(Terms(msg.sender, payee, token, salt, authorizedSigner), deposit);
        _pullByAllowance(token, deposit);
    }

    /// @inheritdoc IPaymentChannels
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
    ) external nonReentrant returns (bytes32 channelId) {
        _requireNonce(nonce, keccak256(abi.encode(from, payee, token, salt, authorizedSigner)));
        channelId = _open(Terms(from, payee, token, salt, authorizedSigner), deposit);
        _pullByAuthorization(token, from, deposit, validAfter, validBefore, nonce, signature);
    }

    /// @inheritdoc IPaymentChannels
    function topUp(Terms calldata terms, uint128 additionalDeposit) external nonReentrant {
        if (msg.sender != terms.payer) revert NotPayer(msg.sender, terms.payer);
        bytes32 channelId = _channelId(terms);
        Channel memory channel = _requireOpen(channelId);

        bool isClosing = channel.closeRequestedAt != 0;
        channel.closeRequestedAt = 0;
        _topUp(channelId, channel, additionalDeposit);
        if (isClosing) emit CloseRequestCancelled(channelId);

        _pullByAllowance(terms.token, additionalDeposit);
    }

    /// @inheritdoc IPaymentChannels
    function topUpWithAuthorization(
        Terms calldata terms,
        uint128 additionalDeposit,
        address from,
        bytes32 topUpSalt,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external nonReentrant {
        bytes32 channelId = _channelId(terms);
        _requireNonce(nonce, keccak256(abi.encode(channelId, additionalDeposit, from, topUpSalt)));

        _topUp(channelId, _requireOpen(channelId), additionalDeposit);

        _pullByAuthorization(terms.token, from, additionalDeposit, validAfter, validBefore, nonce, signature);
    }

    function _open(Terms memory terms, uint128 deposit) private returns (bytes32 channelId) {
        if (terms.payee == address(0) || terms.payee == address(this)) revert InvalidPayee(terms.payee);
        channelId = _hashTerms(terms.payer, terms.payee, terms.token, terms.salt, terms.authorizedSigner);
        if (_channels[channelId].deposit != 0) revert ChannelAlreadyExists(channelId);

        _channels[channelId] = Channel(uint104(_deposit(0, deposit)), 0, 0, false);
        emit ChannelOpened(
            channelId,
            terms.payer,
            terms.payee,
            terms.token,
            terms.authorizedSigner,
            terms.salt,
            deposit
        );
    }

    function _topUp(bytes32 channelId, Channel memory channel, uint128 additionalDeposit) private {
        channel.deposit = uint104(_deposit(channel.deposit, additionalDeposit));
        _channels[channelId] = channel;
        emit ChannelToppedUp(channelId, channel.deposit);
    }

    /// The deposit with `added`: it fits where it is stored.
    function _deposit(uint256 current, uint256 added) private pure returns (uint256 deposit) {
        if (added == 0) revert ZeroDeposit();
        deposit = current + added;
        if (deposit > type(uint104).max) revert DepositOverflow(deposit, type(uint104).max);
    }

    function _requireNonce(bytes32 nonce, bytes32 expected) private pure {
        if (nonce != expected) revert NonceMismatch(nonce, expected);
    }

    /* SETTLING */

    /// @inheritdoc IPaymentChannels
    function setOperator(address operator, bool approved) external {
        isOperator[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
    }

    /// @inheritdoc IPaymentChannels
    function settle(Claim calldata claim) external nonReentrant {
        _requireSettler(claim.terms.payee);
        _settle(_channelId(claim.terms), claim);
    }

    /// @inheritdoc IPaymentChannels
    function settleConditional(ConditionalClaim calldata claim) external nonReentrant {
        _requireSettler(claim.terms.payee);
        bytes32 channelId = _channelId(claim.terms);
        Channel memory channel = _requireOpen(channelId);
        _settle(channelId, channel, claim.terms, claim.amount, _conditionalEntitlement(channelId, claim));
    }

    /// @inheritdoc IPaymentChannels
    function settleWithAuthorization(
        Claim calldata claim,
        uint256 nonce,
        uint256 deadline,
        bytes calldata payeeSignature
    ) external nonReentrant {
        bytes32 channelId = _channelId(claim.terms);
        _requirePayeeSignature(SETTLE_AUTHORIZATION_TYPEHASH, channelId, claim, nonce, deadline, payeeSignature);
        _settle(channelId, claim);
    }

    /// @inheritdoc IPaymentChannels
    function settleBatch(address payee, address token, BatchClaim[] calldata claims) external nonReentrant {
        _requireSettler(payee);
        bytes32 separator = _domainSeparatorV4();
        uint256 total = 0;
        for (uint256 i = 0; i < claims.length; ++i) {
            total += _settleInBatch(payee, token, claims[i], separator);
        }
        _payOut(token, payee, total);
    }

    function _settle(bytes32 channelId, Claim calldata claim) private {
        Channel memory channel = _requireOpen(channelId);
        _settle(channelId, channel, claim.terms, claim.amount, _entitlement(channelId, claim));
    }

    function _settle(
        bytes32 channelId,
        Channel memory channel,
        Terms calldata terms,
        uint256 amount,
        uint256 entitlement
    ) private {
        uint256 growth = _capture(channel, amount, entitlement);

        _channels[channelId] = channel;
        emit ChannelSettled(channelId, amount);

        _payOut(terms.token, terms.payee, growth);
    }

    /// The conditions of `_settle` in the same order, told as selectors: one bad claim must not stop the others.
    function _settleInBatch(
        address payee,
        address token,
        BatchClaim calldata claim,
        bytes32 separator
    ) private returns (uint256 growth) {
        bytes32 channelId = _hashTerms(claim.payer, payee, token, claim.salt, claim.authorizedSigner);
        Channel storage channel = _channels[channelId];
        if (channel.deposit == 0) return _skip(channelId, ChannelNotFound.selector);
        if (channel.finalized) return _skip(channelId, ChannelFinalized.selector);

        bytes32 digest = MessageHashUtils.toTypedDataHash(separator, _hashVoucher(channelId, claim.cumulativeAmount));
        (address recovered, ECDSA.RecoverError failure, ) = ECDSA.tryRecover(digest, claim.r, claim.vs);
        if (failure != ECDSA.RecoverError.NoError || recovered != _signer(claim.payer, claim.authorizedSigner)) {
            return _skip(channelId, InvalidSignature.selector);
        }

        uint128 amount = claim.amount;
        uint256 settled = channel.settled;
        if (amount > claim.cumulativeAmount) return _skip(channelId, AmountExceedsEntitlement.selector);
        if (amount > channel.deposit) return _skip(channelId, AmountExceedsDeposit.selector);
        if (amount <= settled) return _skip(channelId, AmountNotIncreasing.selector);

        channel.settled = uint104(amount);
        emit ChannelSettled(channelId, amount);
        return amount - settled;
    }

    function _skip(bytes32 channelId, bytes4 reason) private returns (uint256) {
        emit ClaimSkipped(channelId, reason);
        return 0;
    }

    /// What the claim's statement is worth, once its signature is found good.
    function _entitlement(bytes32 channelId, Claim calldata claim) private view returns (uint256) {
        _requireSignature(
            _signer(claim.terms.payer, claim.terms.authorizedSigner),
            _voucherDigest(channelId, claim.cumulativeAmount),
            claim.signature
        );
        return claim.cumulativeAmount;
    }

    /// The same for a conditional claim: the unconditional total and what is due of each proven payment. The signature is
    /// checked before any condition is asked.
    function _conditionalEntitlement(
        bytes32 channelId,
        ConditionalClaim calldata claim
    ) private view returns (uint256 entitlement) {
        _requireSignature(
            _signer(claim.terms.payer, claim.terms.authorizedSigner),
            _conditionalDigest(channelId, claim),
            claim.signature
        );
        entitlement = claim.cumulativeAmount;
        for (uint256 i = 0; i < claim.proven.length; ++i) {
            ProvenPayment calldata payment = claim.proven[i];
            bytes32 paymentId = keccak256(abi.encode(channelId, payment.ref));
            entitlement += Conditions.amountDue(
                payment.condition,
                payment.amount,
                abi.encodeCall(ICondition.amountDue, (paymentId, payment.amount, payment.parameters, payment.evidence))
            );
        }
    }

    /// The one place where `settled` of a single claim grows.
    function _capture(
        Channel memory channel,
        uint256 amount,
        uint256 entitlement
    ) private pure returns (uint256 growth) {
        growth = _growth(amount, entitlement, channel.settled, channel.deposit);
        channel.settled = uint104(amount);
    }

    /// What a claim adds: something, at most to what is owed and to what is there.
    function _growth(
        uint256 amount,
        uint256 entitlement,
        uint256 settled,
        uint256 deposit
    ) private pure returns (uint256) {
        if (amount > entitlement) revert AmountExceedsEntitlement(amount, entitlement);
        if (amount > deposit) revert AmountExceedsDeposit(amount, deposit);
        if (amount <= settled) revert AmountNotIncreasing(amount, settled);
        return amount - settled;
    }

    /* CLOSING */

    /// @inheritdoc IPaymentChannels
    function close(Claim calldata claim) external nonReentrant {
        if (msg.sender != claim.terms.payee) revert NotPayee(msg.sender, claim.terms.payee);
        _close(_channelId(claim.terms), claim);
    }

    /// @inheritdoc IPaymentChannels
    function closeConditional(ConditionalClaim calldata claim) external nonReentrant {
        if (msg.sender != claim.terms.payee) revert NotPayee(msg.sender, claim.terms.payee);
        bytes32 channelId = _channelId(claim.terms);
        Channel memory channel = _requireClosable(channelId, claim.amount);
        uint256 entitlement = claim.amount > channel.settled ? _conditionalEntitlement(channelId, claim) : 0;
        _close(channelId, channel, claim.terms, claim.amount, entitlement);
    }

    /// @inheritdoc IPaymentChannels
    function closeWithAuthorization(
        Claim calldata claim,
        uint256 nonce,
        uint256 deadline,
        bytes calldata payeeSignature
    ) external nonReentrant {
        bytes32 channelId = _channelId(claim.terms);
        _requirePayeeSignature(CLOSE_AUTHORIZATION_TYPEHASH, channelId, claim, nonce, deadline, payeeSignature);
        _close(channelId, claim);
    }

    /// @inheritdoc IPaymentChannels
    function requestClose(Terms calldata terms) external {
        if (msg.sender != terms.payer) revert NotPayer(msg.sender, terms.payer);
        _requestClose(_channelId(terms));
    }

    /// @inheritdoc IPaymentChannels
    function requestCloseWithAuthorization(
        Terms calldata terms,
        uint64 deadline,
        bytes calldata payerSignature
    ) external {
        _requireBefore(deadline);
        bytes32 channelId = _channelId(terms);
        bytes32 structHash = keccak256(abi.encode(CLOSE_REQUEST_TYPEHASH, channelId, deadline));
        _requireSignature(terms.payer, _hashTypedDataV4(structHash), payerSignature);
        _requestClose(channelId);
    }

    /// @inheritdoc IPaymentChannels
    function withdraw(Terms calldata terms) external nonReentrant {
        bytes32 channelId = _channelId(terms);
        Channel memory channel = _requireOpen(channelId);
        if (channel.closeRequestedAt == 0) revert CloseNotRequested(channelId);
        uint256 readyAt = uint256(channel.closeRequestedAt) + CLOSE_GRACE_PERIOD;
        if (block.timestamp < readyAt) revert CloseNotReady(readyAt);

        _finalize(terms, channelId, channel, 0);
    }

    function _close(bytes32 channelId, Claim calldata claim) private {
        Channel memory channel = _requireClosable(channelId, claim.amount);
        uint256 entitlement = claim.amount > channel.settled ? _entitlement(channelId, claim) : 0;
        _close(channelId, channel, claim.terms, claim.amount, entitlement);
    }

    function _close(
        bytes32 channelId,
        Channel memory channel,
        Terms calldata terms,
        uint256 amount,
        uint256 entitlement
    ) private {
        uint256 growth = amount > channel.settled ? _capture(channel, amount, entitlement) : 0;
        _finalize(terms, channelId, channel, growth);
    }

    function _requireClosable(bytes32 channelId, uint256 amount) private view returns (Channel memory channel) {
        channel = _requireOpen(channelId);
        if (amount < channel.settled) revert AmountBelowSettled(amount, channel.settled);
    }

    function _finalize(Terms calldata terms, bytes32 channelId, Channel memory channel, uint256 growth) private {
        uint256 refund = channel.deposit - channel.settled;
        channel.finalized = true;
        _channels[channelId] = channel;
        emit ChannelClosed(channelId, channel.settled, refund);

        _payOut(terms.token, terms.payee, growth);
        _payOut(terms.token, terms.payer, refund);
    }

    function _requestClose(bytes32 channelId) private {
        Channel memory channel = _requireOpen(channelId);
        if (channel.closeRequestedAt != 0) {
            revert CloseAlreadyRequested(uint256(channel.closeRequestedAt) + CLOSE_GRACE_PERIOD);
        }

        channel.closeRequestedAt = uint40(block.timestamp);
        _channels[channelId] = channel;
        emit CloseRequested(channelId, block.timestamp + CLOSE_GRACE_PERIOD);
    }

    /* VIEWS */

    /// @inheritdoc IPaymentChannels
    function getChannel(bytes32 channelId) external view returns (Channel memory) {
        return _channels[channelId];
    }

    /// @inheritdoc IPaymentChannels
    function getChannels(bytes32[] calldata channelIds) external view returns (Channel[] memory channels) {
        channels = new Channel[](channelIds.length);
        for (uint256 i = 0; i < channelIds.length; ++i) {
            channels[i] = _channels[channelIds[i]];
        }
    }

    /// @inheritdoc IPaymentChannels
    function computeChannelId(Terms calldata terms) external view returns (bytes32) {
        return _channelId(terms);
    }

    /// @inheritdoc IPaymentChannels
    function getVoucherDigest(bytes32 channelId, uint128 cumulativeAmount) external view returns (bytes32) {
        return _voucherDigest(channelId, cumulativeAmount);
    }

    /// @inheritdoc IPaymentChannels
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* CHECKS AND HASHES */

    function _requireOpen(bytes32 channelId) private view returns (Channel memory channel) {
        channel = _channels[channelId];
        if (channel.deposit == 0) revert ChannelNotFound(channelId);
        if (channel.finalized) revert ChannelFinalized(channelId);
    }

    function _requireSettler(address payee) private view {
        if (msg.sender != payee && !isOperator[payee][msg.sender]) revert NotPayee(msg.sender, payee);
    }

    function _requirePayeeSignature(
        bytes32 typeHash,
        bytes32 channelId,
        Claim calldata claim,
        uint256 nonce,
        uint256 deadline,
        bytes calldata payeeSignature
    ) private view {
        _requireBefore(deadline);
        bytes32 structHash = keccak256(abi.encode(typeHash, channelId, claim.amount, nonce, deadline));
        _requireSignature(claim.terms.payee, _hashTypedDataV4(structHash), payeeSignature);
    }

    function _signer(address payer, address authorizedSigner) private pure returns (address) {
        return authorizedSigner == address(0) ? payer : authorizedSigner;
    }

    function _channelId(Terms calldata terms) private view returns (bytes32) {
        return _hashTerms(terms.payer, terms.payee, terms.token, terms.salt, terms.authorizedSigner);
    }

    /// `keccak256(abi.encode(payer, payee, token, salt, authorizedSigner, address(this), block.chainid))`, written where
    /// free memory begins without taking it: a batch hashes hundreds of times, and memory that grows costs more and more.
    function _hashTerms(
        address payer,
        address payee,
        address token,
        bytes32 salt,
        address authorizedSigner
    ) private view returns (bytes32 channelId) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, shr(96, shl(96, payer)))
            mstore(add(free, 0x20), shr(96, shl(96, payee)))
            mstore(add(free, 0x40), shr(96, shl(96, token)))
            mstore(add(free, 0x60), salt)
            mstore(add(free, 0x80), shr(96, shl(96, authorizedSigner)))
            mstore(add(free, 0xa0), address())
            mstore(add(free, 0xc0), chainid())
            channelId := keccak256(free, 0xe0)
        }
    }

    function _voucherDigest(bytes32 channelId, uint128 cumulativeAmount) private view returns (bytes32) {
        return _hashTypedDataV4(_hashVoucher(channelId, cumulativeAmount));
    }

    /// `keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulativeAmount))`, as above.
    function _hashVoucher(bytes32 channelId, uint128 cumulativeAmount) private pure returns (bytes32 structHash) {
        bytes32 typeHash = VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), channelId)
            mstore(add(free, 0x40), shr(128, shl(128, cumulativeAmount)))
            structHash := keccak256(free, 0x60)
        }
    }

    /// The digest of a conditional claim's voucher. Proven payments are hashed again from what they claim to be, so that
    /// nothing else than what was signed can be proven; ascending refs let none count twice.
    function _conditionalDigest(bytes32 channelId, ConditionalClaim calldata claim) private view returns (bytes32) {
        bytes32[] memory hashes = claim.paymentHashes;
        for (uint256 i = 0; i < claim.proven.length; ++i) {
            ProvenPayment calldata payment = claim.proven[i];
            if (i > 0) {
                ProvenPayment calldata previous = claim.proven[i - 1];
                if (payment.index <= previous.index || payment.ref <= previous.ref) {
                    revert ProvenPaymentsNotAscending(payment.index, payment.ref);
                }
            }
            if (payment.index >= hashes.length) revert ProvenPaymentNotFound(payment.index, hashes.length);
            bytes32 parametersHash = keccak256(payment.parameters);
            hashes[payment.index] = keccak256(
                abi.encode(PAYMENT_TYPEHASH, payment.ref, payment.condition, parametersHash, payment.amount)
            );
        }
        bytes32 paymentsHash = keccak256(abi.encodePacked(hashes));
        return
            _hashTypedDataV4(
                keccak256(abi.encode(CONDITIONAL_VOUCHER_TYPEHASH, channelId, claim.cumulativeAmount, paymentsHash))
            );
    }
}
