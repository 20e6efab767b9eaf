// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../../contracts/interfaces/IPaymentChannels.sol";
import {ITokenCustody} from "../../../contracts/interfaces/ITokenCustody.sol";
import {GasToken} from "../../../contracts/test/GasToken.sol";
import {ChannelsActions} from "./ChannelsActions.sol";

/// @notice To all that is legal adds what strangers, relayers and the parties themselves might try. Each attempt must be
/// refused by exactly one error; the model knows nothing of it, so whatever it changed would break an invariant.
contract ChannelsHandler is ChannelsActions {
    /* CALLERS WITHOUT A RIGHT */

    /// With the best statement in hand, so that nothing but the caller is wrong.
    function actAsAnother(uint256 channel, uint256 caller, uint256 which) external step {
        uint256 index = _findStated(channel);
        IPaymentChannels.Claim memory claim = bestClaim(index);
        (address payer, address payee) = (claim.terms.payer, claim.terms.payee);
        which = which % 5;
        address outsider = _outsider(caller, which < 3 ? payee : payer, which < 2 ? payee : address(0));
        IPaymentChannels.BatchClaim[] memory claims = new IPaymentChannels.BatchClaim[](1);
        claims[0] = _batchClaimOf(claim);
        bytes[5] memory calls = [
            abi.encodeCall(channels.settle, (claim)),
            abi.encodeCall(channels.settleBatch, (payee, claim.terms.token, claims)),
            abi.encodeCall(channels.close, (claim)),
            abi.encodeCall(channels.topUp, (claim.terms, 1)),
            abi.encodeCall(channels.requestClose, (claim.terms))
        ];
        _refuse(
            outsider,
            calls[which],
            which < 3
                ? abi.encodeWithSelector(IPaymentChannels.NotPayee.selector, outsider, payee)
                : abi.encodeWithSelector(IPaymentChannels.NotPayer.selector, outsider, payer)
        );
    }

    /// A relayer with a payee's signature by another key, over another amount, of the other type, about another channel,
    /// under another contract or for another chain.
    function forgeAuthorization(uint256 channel, uint256 caller, uint256 how) external step {
        IPaymentChannels.Claim memory claim = bestClaim(_findStated(channel));
        bool isClose = how % 2 == 0;
        bytes memory signature = _forge(claim, caller, (how / 2) % 6, isClose);
        _refuse(
            _any(everybody, caller),
            isClose
                ? abi.encodeCall(channels.closeWithAuthorization, (claim, caller, FOREVER, signature))
                : abi.encodeCall(channels.settleWithAuthorization, (claim, caller, FOREVER, signature)),
            abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, claim.terms.payee)
        );
    }

    function _forge(
        IPaymentChannels.Claim memory claim,
        uint256 nonce,
        uint256 how,
        bool isClose
    ) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                isClose == (how == 0) ? SETTLE_TYPEHASH : CLOSE_TYPEHASH,
                how == 1 ? _otherId(nonce) : _idOf(claim.terms),
                how == 2 ? claim.amount - 1 : claim.amount,
                nonce,
                FOREVER
            )
        );
        address verifier = how == 4 ? address(this) : address(channels);
        return
            _signUnder(
                _domainOf("EVM Payment Channel", verifier, how == 5 ? block.chainid + 1 : block.chainid),
                how == 3 ? _outsider(nonce, claim.terms.payee, address(0)) : claim.terms.payee,
                structHash
            );
    }

    function forgeCloseRequest(uint256 channel, uint256 caller, uint256 how) external step {
        uint256 index = _find(channel, Wanted.Open);
        address payer = _ghost(index).terms.payer;
        uint64 deadline = uint64(currentTime() + 1);
        bytes memory signature = _signCloseRequest(
            how % 3 == 0 ? _outsider(caller, payer, address(0)) : payer,
            how % 3 == 1 ? _otherId(caller) : _ghost(index).id,
            how % 3 == 2 ? deadline + 1 : deadline
        );
        _refuse(
            _any(everybody, caller),
            abi.encodeCall(channels.requestCloseWithAuthorization, (_ghost(index).terms, deadline, signature)),
            abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, payer)
        );
    }

    /// Hashed, because a fuzzer draws from what it has seen: the seed itself can be the very channel's id.
    function _otherId(uint256 seed) private pure returns (bytes32) {
        return bytes32(derive(seed, 0));
    }

    function comeTooLate(uint256 channel, uint256 caller, uint256 late, uint256 which) external step {
        uint256 index = _findStated(channel);
        IPaymentChannels.Claim memory claim = bestClaim(index);
        uint256 deadline = currentTime() - bound(late, 1, GRACE_PERIOD);
        bytes32 id = _ghost(index).id;
        bytes32 typeHash = which % 3 == 0 ? SETTLE_TYPEHASH : CLOSE_TYPEHASH;
        bytes memory signature =
            which % 3 == 2
                ? _signCloseRequest(claim.terms.payer, id, deadline)
                : _signAuthorization(claim.terms.payee, typeHash, id, claim.amount, late, deadline);
        bytes[3] memory calls = [
            abi.encodeCall(channels.settleWithAuthorization, (claim, late, deadline, signature)),
            abi.encodeCall(channels.closeWithAuthorization, (claim, late, deadline, signature)),
            abi.encodeCall(channels.requestCloseWithAuthorization, (claim.terms, uint64(deadline), signature))
        ];
        _refuse(
            _any(everybody, caller),
            calls[which % 3],
            abi.encodeWithSelector(ITokenCustody.AuthorizationExpired.selector, deadline)
        );
    }

    /* A PAYEE THAT WANTS MORE */

    function forgeVoucher(uint256 channel, uint256 amount, uint256 how, uint256 coin) external step {
        bool isClose = coin % 2 == 0;
        uint256 index = _find(channel, Wanted.OpenWithRoom);
        Ghost storage ghost = _ghost(index);
        address signer = _signerOf(ghost.terms);
        amount = bound(amount, ghost.accepted + 1, ghost.deposit);
        IPaymentChannels.Claim memory claim = IPaymentChannels.Claim(
            ghost.terms,
            uint128(amount),
            uint128(amount),
            _signVoucher(
                how % 3 == 0 ? _outsider(how, signer, address(0)) : signer,
                how % 3 == 1 ? _otherId(how) : ghost.id,
                how % 3 == 2 ? amount - 1 : amount
            )
        );
        _refuse(
            claim.terms.payee,
            isClose ? abi.encodeCall(channels.close, (claim)) : abi.encodeCall(channels.settle, (claim)),
            abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, signer)
        );
    }

    /// Above the statement, or above the deposit by a statement that is.
    function overreach(uint256 channel, uint256 amount, uint256 how) external step {
        (bool isDeposit, bool isClose) = (how % 2 == 0, how % 4 < 2);
        uint256 index = _find(channel, Wanted.OpenWithRoom);
        Ghost storage ghost = _ghost(index);
        uint256 cumulativeAmount = bound(
            amount,
            isDeposit ? ghost.deposit + 1 : ghost.accepted + 1,
            type(uint128).max - 1
        );
        _recordStatement(index, cumulativeAmount);
        amount =
            isDeposit
                ? bound(derive(amount, 0), ghost.deposit + 1, cumulativeAmount)
                : bound(derive(amount, 0), cumulativeAmount + 1, type(uint128).max);
        IPaymentChannels.Claim memory claim = _claimOf(ghost.terms, amount, cumulativeAmount);
        _refuse(
            claim.terms.payee,
            isClose ? abi.encodeCall(channels.close, (claim)) : abi.encodeCall(channels.settle, (claim)),
            isDeposit
                ? abi.encodeWithSelector(IPaymentChannels.AmountExceedsDeposit.selector, amount, ghost.deposit)
                : abi.encodeWithSelector(IPaymentChannels.AmountExceedsEntitlement.selector, amount, cumulativeAmount)
        );
    }

    function closeBelowSettled(uint256 channel, uint256 amount, uint256 coin) external step {
        bool isRelayed = coin % 2 == 0;
        uint256 index = _findStated(channel);
        IPaymentChannels.Claim memory claim = bestClaim(index);
        uint256 accepted = _ghost(index).accepted;
        if (accepted == 0 || _ghost(index).finalized) return;
        claim.amount = uint128(bound(amount, 0, accepted - 1));
        _refuse(
            claim.terms.payee,
            isRelayed ? _encodeRelayed(CLOSE_TYPEHASH, claim, 0, 0) : abi.encodeCall(channels.close, (claim)),
            abi.encodeWithSelector(IPaymentChannels.AmountBelowSettled.selector, claim.amount, accepted)
        );
    }

    /* A PAYER THAT WANTS OUT */

    function withdrawEarly(uint256 channel, uint256 caller, uint256 wait) external step {
        uint256 index = _find(channel, Wanted.Open);
        Ghost storage ghost = _ghost(index);
        uint256 readyAt = ghost.closeRequestedAt + GRACE_PERIOD;
        bytes memory expected = abi.encodeWithSelector(IPaymentChannels.CloseNotRequested.selector, ghost.id);
        if (ghost.closeRequestedAt != 0) {
            if (currentTime() >= readyAt) return;
            // One in four comes in the very last second of the grace period.
            vm.warp(wait % 4 == 0 ? readyAt - 1 : bound(wait, currentTime(), readyAt - 1));
            expected = abi.encodeWithSelector(IPaymentChannels.CloseNotReady.selector, readyAt);
        }
        _refuse(
            caller % 2 == 0 ? ghost.terms.payer : _any(everybody, caller),
            abi.encodeCall(channels.withdraw, (ghost.terms)),
            expected
        );
    }

    function requestCloseAgain(uint256 channel, uint256 coin) external step {
        bool isRelayed = coin % 2 == 0;
        Ghost storage ghost = _ghost(_findPending(channel));
        bytes memory signature = _signCloseRequest(ghost.terms.payer, ghost.id, FOREVER);
        _refuse(
            ghost.terms.payer,
            isRelayed
                ? abi.encodeCall(channels.requestCloseWithAuthorization, (ghost.terms, FOREVER, signature))
                : abi.encodeCall(channels.requestClose, (ghost.terms)),
            abi.encodeWithSelector(
                IPaymentChannels.CloseAlreadyRequested.selector,
                ghost.closeRequestedAt + GRACE_PERIOD
            )
        );
    }

    /* FUNDING THAT WAS NOT SIGNED SO */

    /// A relayer turns an opening to another payee, with the nonce that was signed or with the one that would fit.
    function redirectOpening(uint256 payer, uint256 terms, uint256 amount, uint256 coin) external step {
        bool isNonceRenewed = coin % 2 == 0;
        IPaymentChannels.Terms memory signed = _newTerms(payer, terms);
        IPaymentChannels.Terms memory changed = _newTerms(payer, terms);
        changed.payee = strangers[0];
        amount = _amount(amount, MAX_DEPOSIT);
        bytes32 nonce = _openNonce(signed);
        bytes memory signature = _signReceive(signed.token, signed.payer, amount, 0, FOREVER, nonce);
        bytes32 fitting = _openNonce(changed);
        _refuse(
            strangers[0],
            _encodeRelayedOpen(changed, amount, isNonceRenewed ? fitting : nonce, signature),
            isNonceRenewed
                ? abi.encodeWithSelector(GasToken.InvalidAuthorizationSignature.selector, changed.payer)
                : abi.encodeWithSelector(IPaymentChannels.NonceMismatch.selector, nonce, fitting)
        );
    }

    /// A relayer turns a top-up to another channel.
    function redirectTopUp(uint256 channel, uint256 other, uint256 from, uint256 amount) external step {
        RelayedTopUp memory relayed = RelayedTopUp(
            _find(channel, Wanted.Open),
            _amount(amount, MAX_DEPOSIT),
            _any(everybody, from),
            bytes32(steps)
        );
        IPaymentChannels.Terms memory signed = _ghost(relayed.index).terms;
        IPaymentChannels.Terms memory changed = _ghost(other % channelCount()).terms;
        if (relayed.index == other % channelCount()) return;
        bytes32 nonce = _topUpNonce(signed, relayed.amount, relayed.from, relayed.salt);
        bytes memory signature = _signReceive(signed.token, relayed.from, relayed.amount, 0, FOREVER, nonce);
        _refuse(
            strangers[0],
            abi.encodeCall(
                channels.topUpWithAuthorization,
                (changed, uint128(relayed.amount), relayed.from, relayed.salt, 0, FOREVER, nonce, signature)
            ),
            abi.encodeWithSelector(
                IPaymentChannels.NonceMismatch.selector,
                nonce,
                _topUpNonce(changed, relayed.amount, relayed.from, relayed.salt)
            )
        );
    }

    function replayTopUp(uint256 which) external step {
        if (relayedTopUps.length == 0) return;
        RelayedTopUp memory relayed = relayedTopUps[which % relayedTopUps.length];
        Ghost storage ghost = _ghost(relayed.index);
        bytes memory expected = abi.encodeWithSelector(
            GasToken.AuthorizationUsedAlready.selector,
            relayed.from,
            _topUpNonce(ghost.terms, relayed.amount, relayed.from, relayed.salt)
        );
        uint256 deposit = ghost.deposit + relayed.amount;
        if (deposit > MAX_DEPOSIT) {
            expected = abi.encodeWithSelector(IPaymentChannels.DepositOverflow.selector, deposit, MAX_DEPOSIT);
        }
        if (ghost.finalized) {
            expected = abi.encodeWithSelector(IPaymentChannels.ChannelFinalized.selector, ghost.id);
        }
        _refuse(strangers[0], _encodeTopUp(relayed), expected);
    }

    /// An id that exists, or existed, does not open again.
    function reopen(uint256 channel, uint256 amount, uint256 coin) external step {
        bool isRelayed = coin % 2 == 0;
        uint256 index = _find(channel, channel % 2 == 0 ? Wanted.Finalized : Wanted.Open);
        IPaymentChannels.Terms memory terms = _ghost(index).terms;
        _refuse(
            terms.payer,
            _encodeOpen(terms, _amount(amount, MAX_DEPOSIT), isRelayed),
            abi.encodeWithSelector(IPaymentChannels.ChannelAlreadyExists.selector, _idOf(terms))
        );
    }

    function openBadly(uint256 payer, uint256 seed, uint256 which) external step {
        IPaymentChannels.Terms memory terms = _newTerms(payer, seed);
        uint256 deposit = 1;
        bytes memory expected;
        which = which % 5;
        if (which == 0) {
            deposit = 0;
            expected = abi.encodeWithSelector(IPaymentChannels.ZeroDeposit.selector);
        }
        if (which == 1) {
            deposit = bound(seed, MAX_DEPOSIT + 1, type(uint128).max);
            expected = abi.encodeWithSelector(IPaymentChannels.DepositOverflow.selector, deposit, MAX_DEPOSIT);
        }
        if (which == 2 || which == 3) {
            terms.payee = which == 2 ? address(0) : address(channels);
            expected = abi.encodeWithSelector(IPaymentChannels.InvalidPayee.selector, terms.payee);
        }
        if (which == 4) {
            terms.token = vm.addr(bound(seed, 1, type(uint128).max));
            expected = abi.encodeWithSelector(ITokenCustody.InvalidToken.selector, terms.token);
        }
        _refuse(terms.payer, _encodeOpen(terms, deposit, false), expected);
    }

    /* CHANNELS THAT ARE NOT THERE */

    /// Everything there is to do, on a finalized channel or on one that never was.
    function touchTheDead(uint256 channel, uint256 which, uint256 coin) external step {
        bool isUnknown = coin % 2 == 0;
        (bool found, uint256 index) = _search(channel, Wanted.Finalized);
        if (!found && !isUnknown) return;
        IPaymentChannels.Terms memory terms = isUnknown ? _newTerms(channel, which) : _ghost(index).terms;
        bytes32 id = _idOf(terms);
        IPaymentChannels.Claim memory claim = _claimOf(terms, MAX_DEPOSIT, MAX_DEPOSIT);
        bytes memory request = _signCloseRequest(terms.payer, id, FOREVER);
        bytes[8] memory calls = [
            abi.encodeCall(channels.settle, (claim)),
            abi.encodeCall(channels.close, (claim)),
            _encodeRelayed(SETTLE_TYPEHASH, claim, which, which),
            _encodeRelayed(CLOSE_TYPEHASH, claim, which, which),
            abi.encodeCall(channels.topUp, (terms, 1)),
            abi.encodeCall(channels.requestClose, (terms)),
            abi.encodeCall(channels.requestCloseWithAuthorization, (terms, FOREVER, request)),
            abi.encodeCall(channels.withdraw, (terms))
        ];
        which = which % 8;
        _refuse(
            which < 4 ? terms.payee : terms.payer,
            calls[which],
            abi.encodeWithSelector(
                isUnknown ? IPaymentChannels.ChannelNotFound.selector : IPaymentChannels.ChannelFinalized.selector,
                id
            )
        );
    }

    function claimNothing(uint256 caller, uint256 who, uint256 coin) external step {
        bool isBlocklist = coin % 2 == 0;
        (address account, address inToken) = (_any(everybody, who), isBlocklist ? address(blocklist) : address(token));
        if (creditOf[inToken][account] != 0) return;
        _refuse(
            _any(everybody, caller),
            abi.encodeCall(channels.claimCredit, (inToken, account)),
            abi.encodeWithSelector(ITokenCustody.NoCredit.selector, inToken, account)
        );
    }

    /* ALL OF IT */

    /// @return selectors Every action, for the fuzzer and for the driver
    function actions() external pure returns (bytes4[] memory selectors) {
        bytes4[36] memory all = [
            this.open.selector,
            this.openWithAuthorization.selector,
            this.topUp.selector,
            this.topUpWithAuthorization.selector,
            this.setOperator.selector,
            this.signStatement.selector,
            this.settle.selector,
            this.settleWithAuthorization.selector,
            this.settleAgain.selector,
            this.settleBatch.selector,
            this.close.selector,
            this.closeWithAuthorization.selector,
            this.requestClose.selector,
            this.requestCloseWithAuthorization.selector,
            this.withdraw.selector,
            this.claimCredit.selector,
            this.warp.selector,
            this.setBlocked.selector,
            this.setCode.selector,
            this.donate.selector,
            this.actAsAnother.selector,
            this.forgeAuthorization.selector,
            this.forgeCloseRequest.selector,
            this.comeTooLate.selector,
            this.forgeVoucher.selector,
            this.overreach.selector,
            this.closeBelowSettled.selector,
            this.withdrawEarly.selector,
            this.requestCloseAgain.selector,
            this.redirectOpening.selector,
            this.redirectTopUp.selector,
            this.replayTopUp.selector,
            this.reopen.selector,
            this.openBadly.selector,
            this.touchTheDead.selector,
            this.claimNothing.selector
        ];
        selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) selectors[i] = all[i];
    }

    /* CHOOSING */

    /// Any channel, finalized or not, about which something was signed.
    function _findStated(uint256 seed) private returns (uint256 index) {
        if (channelCount() == 0) _find(seed, Wanted.Open);
        index = seed % channelCount();
        if (_ghost(index).entitlement == 0) _recordStatement(index, 1);
    }

    /// @param except Who may do it
    /// @param settlesFor A payee whose operators may do it too; zero if they may not
    function _outsider(uint256 seed, address except, address settlesFor) private view returns (address outsider) {
        outsider = _any(everybody, seed);
        while (outsider == except || isApproved[settlesFor][outsider]) {
            seed = (seed % everybody.length) + 1;
            outsider = _any(everybody, seed);
        }
    }
}
