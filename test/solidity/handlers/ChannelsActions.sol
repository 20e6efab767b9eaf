// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../../contracts/interfaces/IPaymentChannels.sol";
import {BlocklistToken} from "../../../contracts/test/BlocklistToken.sol";
import {ChannelsModel} from "./ChannelsModel.sol";

/// @notice Everything that honest parties, tokens and time do to the contract. Each action bounds its numbers to what is
/// legal and must then succeed; where a token is in the way, it must be refused by the token's very error.
abstract contract ChannelsActions is ChannelsModel {
    enum Wanted {
        Open,
        OpenWithRoom,
        NotPending,
        Pending,
        Finalized
    }

    struct RelayedTopUp {
        uint256 index;
        uint256 amount;
        address from;
        bytes32 salt;
    }

    RelayedTopUp[] internal relayedTopUps;

    /// @notice How often each function of the contract succeeded, by its selector.
    mapping(bytes4 selector => uint256) public successes;
    /// @notice How often each function was refused when it had to be.
    mapping(bytes4 selector => uint256) public refusals;
    /// @notice How often each error was the reason.
    mapping(bytes4 selector => uint256) public reasons;

    error Accepted(bytes data);
    error RefusedOtherwise(bytes data, bytes reason, bytes expected);

    modifier step() {
        _beginStep();
        _;
    }

    /* FUNDING */

    function open(uint256 payerSeed, uint256 termsSeed, uint256 amount) external step {
        _openNew(_newTerms(payerSeed, termsSeed), _amount(amount, MAX_DEPOSIT), false);
    }

    function openWithAuthorization(uint256 payerSeed, uint256 termsSeed, uint256 amount) external step {
        _openNew(_newTerms(payerSeed, termsSeed), _amount(amount, MAX_DEPOSIT), true);
    }

    function topUp(uint256 channel, uint256 amount) external step {
        uint256 index = _find(channel, Wanted.Open);
        IPaymentChannels.Terms memory terms = _ghost(index).terms;
        amount = _amount(amount, MAX_DEPOSIT);
        bytes memory data = abi.encodeCall(channels.topUp, (terms, uint128(amount)));
        if (!_fund(index, terms.payer, amount, terms.payer, data)) return;
        _ghost(index).closeRequestedAt = 0;
    }

    function topUpWithAuthorization(uint256 channel, uint256 from, uint256 amount, uint256 caller) external step {
        RelayedTopUp memory relayed = RelayedTopUp(
            _find(channel, Wanted.Open),
            _amount(amount, MAX_DEPOSIT),
            _any(everybody, from),
            bytes32(steps)
        );
        bytes memory data = _encodeTopUp(relayed);
        if (_fund(relayed.index, relayed.from, relayed.amount, _any(everybody, caller), data)) {
            relayedTopUps.push(relayed);
        }
    }

    /* SETTLING */

    function setOperator(uint256 payeeSeed, uint256 operatorSeed, uint256 coin) external step {
        bool approved = coin % 2 == 0;
        (address payee, address operator) = (_any(payees, payeeSeed), _any(operators, operatorSeed));
        _act(payee, abi.encodeCall(channels.setOperator, (operator, approved)));
        isApproved[payee][operator] = approved;
    }

    function signStatement(uint256 channel, uint256 amount) external step {
        _recordStatement(_find(channel, Wanted.Open), _amount(amount, type(uint128).max));
    }

    function settle(uint256 channel, uint256 caller, uint256 statement, uint256 amount) external step {
        uint256 index = _find(channel, Wanted.OpenWithRoom);
        IPaymentChannels.Claim memory claim = _claim(index, statement, amount);
        _ghost(index).captureStep = steps;
        _act(_settler(claim.terms.payee, caller), abi.encodeCall(channels.settle, (claim)));
        _recordSettlement(index, claim.amount);
    }

    function settleWithAuthorization(uint256 channel, uint256 caller, uint256 statement, uint256 amount) external step {
        uint256 index = _find(channel, Wanted.OpenWithRoom);
        IPaymentChannels.Claim memory claim = _claim(index, statement, amount);
        _ghost(index).captureStep = steps;
        _act(_any(everybody, caller), _encodeRelayed(SETTLE_TYPEHASH, claim, statement, amount));
        _recordSettlement(index, claim.amount);
    }

    /// An old statement in any amount: it still settles, or it gains nothing.
    function settleAgain(uint256 channel, uint256 statement, uint256 amount) external step {
        uint256 index = _find(channel, Wanted.Open);
        uint256[] storage known = statements[index];
        if (known.length == 0) _recordStatement(index, _ghost(index).accepted + 1);
        uint256 cumulativeAmount = known[statement % known.length];
        amount = bound(amount, 1, _min(cumulativeAmount, _ghost(index).deposit));
        IPaymentChannels.Claim memory claim = _claimOf(_ghost(index).terms, amount, cumulativeAmount);
        bytes memory data = abi.encodeCall(channels.settle, (claim));
        _ghost(index).captureStep = steps;
        uint256 accepted = _ghost(index).accepted;
        if (amount > accepted) {
            _act(claim.terms.payee, data);
            _recordSettlement(index, amount);
        } else {
            _refuse(
                claim.terms.payee,
                data,
                abi.encodeWithSelector(IPaymentChannels.AmountNotIncreasing.selector, amount, accepted)
            );
        }
    }

    /// Up to six claims of one payee and token, good and bad ones, some channels more than once.
    function settleBatch(uint256 channel, uint256 caller, uint256 seed) external step {
        IPaymentChannels.Terms memory shared = _ghost(_find(channel, Wanted.OpenWithRoom)).terms;
        IPaymentChannels.BatchClaim[] memory claims = new IPaymentChannels.BatchClaim[](seed % 7);
        uint256 total = 0;
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 growth;
            (claims[i], growth) = _batchClaim(shared, derive(seed, i));
            total += growth;
        }
        _act(
            _settler(shared.payee, caller),
            abi.encodeCall(channels.settleBatch, (shared.payee, shared.token, claims))
        );
        _recordPayout(shared.token, shared.payee, total);
    }

    /* CLOSING */

    function close(uint256 channel, uint256 statement, uint256 amount) external step {
        (uint256 index, IPaymentChannels.Claim memory claim) = _closingClaim(channel, statement, amount);
        _act(claim.terms.payee, abi.encodeCall(channels.close, (claim)));
        _recordClosing(index, claim.amount);
    }

    function closeWithAuthorization(uint256 channel, uint256 caller, uint256 statement, uint256 amount) external step {
        (uint256 index, IPaymentChannels.Claim memory claim) = _closingClaim(channel, statement, amount);
        _act(_any(everybody, caller), _encodeRelayed(CLOSE_TYPEHASH, claim, statement, amount));
        _recordClosing(index, claim.amount);
    }

    function requestClose(uint256 channel) external step {
        _request(_find(channel, Wanted.NotPending));
    }

    function requestCloseWithAuthorization(uint256 channel, uint256 caller, uint256 deadline) external step {
        uint256 index = _find(channel, Wanted.NotPending);
        deadline = currentTime() + bound(deadline, 0, GRACE_PERIOD);
        Ghost storage ghost = _ghost(index);
        bytes memory signature = _signCloseRequest(ghost.terms.payer, ghost.id, deadline);
        _act(
            _any(everybody, caller),
            abi.encodeCall(channels.requestCloseWithAuthorization, (ghost.terms, uint64(deadline), signature))
        );
        ghost.closeRequestedAt = currentTime();
    }

    function withdraw(uint256 channel, uint256 caller, uint256 delay) external step {
        uint256 index = _findPending(channel);
        Ghost storage ghost = _ghost(index);
        uint256 readyAt = ghost.closeRequestedAt + GRACE_PERIOD;
        if (currentTime() < readyAt) vm.warp(readyAt + (delay % 4 == 0 ? 0 : bound(delay, 0, GRACE_PERIOD)));
        ghost.endStep = steps;
        _act(_any(everybody, caller), abi.encodeCall(channels.withdraw, (ghost.terms)));
        _recordEnd(index);
    }

    /// The first credit found. Where the token still refuses it, the freeze ends after that was seen.
    function claimCredit(uint256 seed, uint256 caller) external step {
        for (uint256 i = 0; i < 2 * everybody.length; ++i) {
            address inToken = i % 2 == 0 ? address(blocklist) : address(token);
            address account = _any(everybody, (seed % everybody.length) + i / 2);
            uint256 amount = creditOf[inToken][account];
            if (amount == 0) continue;
            bytes memory data = abi.encodeCall(channels.claimCredit, (inToken, account));
            address blocked = blockedAmong(inToken, address(channels), account);
            while (blocked != address(0)) {
                _refuse(
                    _any(everybody, caller),
                    data,
                    abi.encodeWithSelector(BlocklistToken.Blocked.selector, blocked)
                );
                blocklist.setBlocked(blocked, false);
                blocked = blockedAmong(inToken, address(channels), account);
            }
            _act(_any(everybody, caller), data);
            creditOf[inToken][account] = 0;
            balanceOf[inToken][account] += amount;
            return;
        }
    }

    /* THE WORLD */

    function warp(uint256 period) external step {
        skip(bound(period, 0, 2 * GRACE_PERIOD));
    }

    /// Blocks a payer or a payee, now and then the contract itself; or lets everybody go.
    function setBlocked(uint256 who, uint256 kind) external step {
        if (kind % 4 != 0) {
            blocklist.setBlocked(kind % 16 == 1 ? address(channels) : _any(everybody, who % 5), true);
            return;
        }
        blocklist.setBlocked(address(channels), false);
        for (uint256 i = 0; i < everybody.length; ++i) blocklist.setBlocked(everybody[i], false);
    }

    /// An account gains code that knows none of its signatures, or loses it.
    function setCode(uint256 who, uint256 kind) external step {
        bytes[3] memory codes = [bytes(""), hex"5f5ffd", hex"5f5ff3"];
        vm.etch(_any(everybody, who), codes[kind % 3]);
    }

    function donate(uint256 from, uint256 amount, uint256 coin) external step {
        bool isBlocklist = coin % 2 == 0;
        (address account, address inToken) = (_any(everybody, from), isBlocklist ? address(blocklist) : address(token));
        if (blockedAmong(inToken, account, address(channels)) != address(0)) inToken = address(token);
        amount = bound(amount, 1, 1e9);
        vm.prank(account);
        assertTrue(BlocklistToken(inToken).transfer(address(channels), amount), "transfer");
        balanceOf[inToken][account] -= amount;
        donated[inToken] += amount;
    }

    /* DOING IT */

    function _act(address caller, bytes memory data) internal {
        vm.prank(caller);
        (bool success, bytes memory result) = address(channels).call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
        ++successes[bytes4(data)];
    }

    /// Must be refused by exactly this error.
    function _refuse(address caller, bytes memory data, bytes memory expected) internal {
        vm.prank(caller);
        (bool success, bytes memory reason) = address(channels).call(data);
        if (success) revert Accepted(data);
        if (keccak256(reason) != keccak256(expected)) revert RefusedOtherwise(data, reason, expected);
        ++refusals[bytes4(data)];
        ++reasons[bytes4(reason)];
    }

    function _openNew(IPaymentChannels.Terms memory terms, uint256 deposit, bool isRelayed) internal {
        address blocked = blockedAmong(terms.token, terms.payer, address(channels));
        address caller = isRelayed ? strangers[0] : terms.payer;
        bytes memory data = _encodeOpen(terms, deposit, isRelayed);
        if (blocked == address(0)) {
            _act(caller, data);
            _recordOpening(terms, deposit);
        } else _refuse(caller, data, abi.encodeWithSelector(BlocklistToken.Blocked.selector, blocked));
    }

    function _fund(
        uint256 index,
        address from,
        uint256 amount,
        address caller,
        bytes memory data
    ) private returns (bool) {
        Ghost storage ghost = _ghost(index);
        address blocked = blockedAmong(ghost.terms.token, from, address(channels));
        uint256 deposit = ghost.deposit + amount;
        if (deposit > MAX_DEPOSIT) {
            bytes memory overflow = abi.encodeWithSelector(
                IPaymentChannels.DepositOverflow.selector,
                deposit,
                MAX_DEPOSIT
            );
            _refuse(caller, data, overflow);
            return false;
        }
        if (blocked != address(0)) {
            _refuse(caller, data, abi.encodeWithSelector(BlocklistToken.Blocked.selector, blocked));
            return false;
        }
        _act(caller, data);
        _recordTopUp(index, from, amount);
        return true;
    }

    function _request(uint256 index) internal {
        Ghost storage ghost = _ghost(index);
        _act(ghost.terms.payer, abi.encodeCall(channels.requestClose, (ghost.terms)));
        ghost.closeRequestedAt = currentTime();
    }

    function _recordSettlement(uint256 index, uint256 amount) internal {
        IPaymentChannels.Terms storage terms = _ghost(index).terms;
        _recordPayout(terms.token, terms.payee, _recordCapture(index, amount));
    }

    function _recordClosing(uint256 index, uint256 amount) private {
        _recordSettlement(index, amount);
        _recordEnd(index);
    }

    /* MAKING CLAIMS */

    /// A claim that must be accepted, by a new statement or by one not used up.
    function _claim(uint256 index, uint256 statement, uint256 amount) internal returns (IPaymentChannels.Claim memory) {
        Ghost storage ghost = _ghost(index);
        uint256 cumulativeAmount = ghost.entitlement;
        if (cumulativeAmount <= ghost.accepted || statement % 2 == 0) {
            cumulativeAmount = bound(statement, ghost.accepted + 1, ghost.deposit + ghost.deposit / 8);
            _recordStatement(index, cumulativeAmount);
        }
        amount = bound(amount, ghost.accepted + 1, _min(cumulativeAmount, ghost.deposit));
        return _claimOf(ghost.terms, amount, cumulativeAmount);
    }

    /// As above, or at what is settled with a statement that is none.
    function _closingClaim(
        uint256 channel,
        uint256 statement,
        uint256 amount
    ) private returns (uint256 index, IPaymentChannels.Claim memory claim) {
        index = _find(channel, Wanted.Open);
        Ghost storage ghost = _ghost(index);
        (ghost.captureStep, ghost.endStep) = (steps, steps);
        if (amount % 4 != 0 && ghost.accepted < ghost.deposit) return (index, _claim(index, statement, amount));
        claim = IPaymentChannels.Claim(ghost.terms, uint128(ghost.accepted), uint128(statement), "no voucher");
    }

    /// @return claim Good or bad
    /// @return growth What it must add to the payout
    function _batchClaim(
        IPaymentChannels.Terms memory shared,
        uint256 seed
    ) private returns (IPaymentChannels.BatchClaim memory claim, uint256 growth) {
        uint256 kind = derive(seed, 1) % 8;
        uint256 index = _findOf(shared, seed);
        Ghost storage ghost = _ghost(index);
        uint256 cumulativeAmount = bound(derive(seed, 2), 1, ghost.deposit + ghost.deposit / 8);
        uint256 amount = bound(derive(seed, 3), 1, cumulativeAmount + (kind == 0 ? cumulativeAmount : 0));
        IPaymentChannels.Terms memory terms = ghost.terms;
        if (kind == 1) terms.salt = bytes32(type(uint256).max - steps);
        IPaymentChannels.Claim memory single = _claimOf(terms, amount, cumulativeAmount);
        if (kind == 2) single.signature = _signVoucher(_any(strangers, seed), ghost.id, cumulativeAmount);
        claim = _batchClaimOf(single);
        if (kind == 1 || kind == 2) return (claim, 0);

        _recordStatement(index, cumulativeAmount);
        ghost.captureStep = steps;
        bool isGood = amount <= _min(cumulativeAmount, ghost.deposit) && amount > ghost.accepted;
        if (isGood && !ghost.finalized) growth = _recordCapture(index, amount);
    }

    function _encodeRelayed(
        bytes32 typeHash,
        IPaymentChannels.Claim memory claim,
        uint256 nonce,
        uint256 deadline
    ) internal view returns (bytes memory) {
        deadline = currentTime() + bound(deadline, 0, FOREVER);
        bytes memory signature = _signAuthorization(
            claim.terms.payee,
            typeHash,
            _idOf(claim.terms),
            claim.amount,
            nonce,
            deadline
        );
        return
            typeHash == CLOSE_TYPEHASH
                ? abi.encodeCall(channels.closeWithAuthorization, (claim, nonce, deadline, signature))
                : abi.encodeCall(channels.settleWithAuthorization, (claim, nonce, deadline, signature));
    }

    function _encodeOpen(
        IPaymentChannels.Terms memory terms,
        uint256 deposit,
        bool isRelayed
    ) internal view returns (bytes memory) {
        if (!isRelayed) {
            return
                abi.encodeCall(
                    channels.open,
                    (terms.payee, terms.token, uint128(deposit), terms.salt, terms.authorizedSigner)
                );
        }
        bytes32 nonce = _openNonce(terms);
        bytes memory signature = _signReceive(terms.token, terms.payer, deposit, 0, FOREVER, nonce);
        return _encodeRelayedOpen(terms, deposit, nonce, signature);
    }

    function _encodeRelayedOpen(
        IPaymentChannels.Terms memory terms,
        uint256 deposit,
        bytes32 nonce,
        bytes memory signature
    ) internal view returns (bytes memory) {
        return
            abi.encodeCall(
                channels.openWithAuthorization,
                (
                    terms.payee,
                    terms.token,
                    uint128(deposit),
                    terms.salt,
                    terms.authorizedSigner,
                    terms.payer,
                    0,
                    FOREVER,
                    nonce,
                    signature
                )
            );
    }

    function _encodeTopUp(RelayedTopUp memory relayed) internal view returns (bytes memory) {
        IPaymentChannels.Terms memory terms = _ghost(relayed.index).terms;
        bytes32 nonce = _topUpNonce(terms, relayed.amount, relayed.from, relayed.salt);
        bytes memory signature = _signReceive(terms.token, relayed.from, relayed.amount, 0, FOREVER, nonce);
        return
            abi.encodeCall(
                channels.topUpWithAuthorization,
                (terms, uint128(relayed.amount), relayed.from, relayed.salt, 0, FOREVER, nonce, signature)
            );
    }

    /* CHOOSING */

    function _any(address[] storage among, uint256 seed) internal view returns (address) {
        return among[seed % among.length];
    }

    function _settler(address payee, uint256 seed) private view returns (address) {
        address operator = _any(operators, seed);
        return isApproved[payee][operator] ? operator : payee;
    }

    /// Mostly small, now and then anything.
    function _amount(uint256 seed, uint256 most) internal pure returns (uint256) {
        return seed % 8 == 0 ? bound(seed, 1, most) : bound(seed, 1, 1e9);
    }

    function _min(uint256 left, uint256 right) internal pure returns (uint256) {
        return left < right ? left : right;
    }

    function _newTerms(uint256 payerSeed, uint256 seed) internal view returns (IPaymentChannels.Terms memory) {
        address payer = _any(payers, payerSeed);
        address[4] memory choices = [address(0), payer, signers[0], signers[1]];
        return
            IPaymentChannels.Terms(
                payer,
                _any(payees, seed),
                derive(seed, 1) % 3 == 0 ? address(token) : address(blocklist),
                bytes32(channelCount()),
                choices[derive(seed, 2) % 4]
            );
    }

    /// The first such channel from a random one on. An open one is opened if there is none.
    function _find(uint256 seed, Wanted wanted) internal returns (uint256) {
        (bool found, uint256 index) = _search(seed, wanted);
        if (found) return index;
        IPaymentChannels.Terms memory terms = _newTerms(seed, seed);
        terms.token = address(token);
        _openNew(terms, 1e9, false);
        return channelCount() - 1;
    }

    function _findPending(uint256 seed) internal returns (uint256 index) {
        bool found;
        (found, index) = _search(seed, Wanted.Pending);
        if (found) return index;
        index = _find(seed, Wanted.NotPending);
        _request(index);
    }

    function _search(uint256 seed, Wanted wanted) internal view returns (bool, uint256) {
        uint256 count = channelCount();
        for (uint256 i = 0; i < count; ++i) {
            uint256 index = ((seed % count) + i) % count;
            Ghost storage ghost = _ghost(index);
            bool isOpen = !ghost.finalized;
            bool isPending = ghost.closeRequestedAt != 0;
            if (wanted == Wanted.Open && isOpen) return (true, index);
            if (wanted == Wanted.OpenWithRoom && isOpen && ghost.accepted < ghost.deposit) return (true, index);
            if (wanted == Wanted.NotPending && isOpen && !isPending) return (true, index);
            if (wanted == Wanted.Pending && isOpen && isPending) return (true, index);
            if (wanted == Wanted.Finalized && !isOpen) return (true, index);
        }
        return (false, 0);
    }

    /// Any channel of this payee and token; there is one.
    function _findOf(IPaymentChannels.Terms memory shared, uint256 seed) private view returns (uint256 index) {
        uint256 count = channelCount();
        index = seed % count;
        while (_ghost(index).terms.payee != shared.payee || _ghost(index).terms.token != shared.token) {
            index = (index + 1) % count;
        }
    }
}
