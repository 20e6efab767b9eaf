// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../contracts/interfaces/IPaymentChannels.sol";
import {ITokenCustody} from "../../contracts/interfaces/ITokenCustody.sol";
import {ChannelsTest} from "./utils/ChannelsTest.sol";

contract PaymentChannelsClosingTest is ChannelsTest {
    /* CLOSING BY THE PAYEE */

    /// The whole rule of close, directly and by authorization: below settled never, at settled without looking at the
    /// statement, above it as a claim; and what is left goes back to the last unit.
    function testFuzz_close_followsTheRule(
        uint256 deposit,
        uint256 settled,
        uint256 amount,
        uint256 cumulativeAmount,
        bool isRelayed
    ) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        settled = bound(settled, 0, deposit);
        amount = _nearTo(amount, settled, deposit);
        cumulativeAmount = _nearTo(cumulativeAmount, amount, deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        _openSettled(terms, deposit, settled);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, cumulativeAmount);
        (address caller, bytes memory data) = _encodeClose(isRelayed, claim);

        bytes memory refusal = _refusalOf(amount, cumulativeAmount, deposit, settled);
        if (refusal.length != 0) {
            _expectRefusal(caller, data, refusal);
            _assertChannel(terms, deposit, settled, 0, false);
            return;
        }
        vm.expectEmit();
        emit IPaymentChannels.ChannelClosed(_idOf(terms), amount, deposit - amount);
        _send(caller, data);
        _assertChannel(terms, deposit, amount, 0, true);
        assertEq(blocklist.balanceOf(payee), amount, "to the payee");
        assertEq(blocklist.balanceOf(payer), deposit - amount, "to the payer");
    }

    function testFuzz_close_ignoresTheStatementAtSettled(
        uint256 deposit,
        uint256 settled,
        uint128 cumulativeAmount,
        bytes calldata signature,
        bool isRelayed
    ) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        settled = bound(settled, 0, deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        _openSettled(terms, deposit, settled);
        (address caller, bytes memory data) = _encodeClose(
            isRelayed,
            IPaymentChannels.Claim(terms, uint128(settled), cumulativeAmount, signature)
        );
        _send(caller, data);
        _assertChannel(terms, deposit, settled, 0, true);
        assertEq(blocklist.balanceOf(payer), deposit - settled, "to the payer");
    }

    function testFuzz_close_revertsWhen_signedForAnotherAmount(uint256 signed, uint256 amount) public {
        signed = bound(signed, 0, 1000);
        amount = bound(amount, 0, 1000);
        vm.assume(signed != amount);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        bytes memory signature = _signAuthorization(payee, CLOSE_TYPEHASH, _idOf(terms), signed, NONCE, FOREVER);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, 1000);
        vm.expectRevert(abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, payee));
        vm.prank(relayer);
        channels.closeWithAuthorization(claim, NONCE, FOREVER, signature);
    }

    /* ASKING TO CLOSE */

    function testFuzz_requestClose_revertsWhen_callerIsNotThePayer(address caller, uint8 kind) public {
        address[4] memory known = [caller, payee, operator, signer];
        caller = known[kind % 4];
        vm.assume(caller != payer);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        _expectRefusal(
            caller,
            abi.encodeCall(channels.requestClose, (terms)),
            abi.encodeWithSelector(IPaymentChannels.NotPayer.selector, caller, payer)
        );
    }

    /// A second request, by whichever way, neither restarts nor shortens the timer.
    function testFuzz_requestClose_revertsWhen_pending(
        uint256 elapsed,
        bool isFirstRelayed,
        bool isSecondRelayed
    ) public {
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        uint256 requestedAt = block.timestamp;
        _send(payer, _encodeRequest(terms, isFirstRelayed));
        vm.warp(requestedAt + bound(elapsed, 0, 100 * GRACE_PERIOD));
        _expectRefusal(
            payer,
            _encodeRequest(terms, isSecondRelayed),
            abi.encodeWithSelector(IPaymentChannels.CloseAlreadyRequested.selector, requestedAt + GRACE_PERIOD)
        );
        _assertChannel(terms, 1000, 0, requestedAt, false);
    }

    function testFuzz_requestCloseWithAuthorization_includesTheLastSecond(uint64 deadline, uint64 late) public {
        deadline = uint64(bound(deadline, block.timestamp, type(uint40).max));
        late = uint64(bound(late, 1, type(uint40).max));
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        bytes memory signature = _signCloseRequest(payer, _idOf(terms), deadline);
        bytes memory data = abi.encodeCall(channels.requestCloseWithAuthorization, (terms, deadline, signature));

        vm.warp(uint256(deadline) + late);
        _expectRefusal(stranger, data, abi.encodeWithSelector(ITokenCustody.AuthorizationExpired.selector, deadline));
        vm.warp(deadline);
        _send(stranger, data);
        _assertChannel(terms, 1000, 0, deadline, false);
    }

    /// The signature is good until its deadline, also after the payer took its request back.
    function testFuzz_requestCloseWithAuthorization_staysGoodAfterATopUp(uint256 elapsed) public {
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        bytes memory data = _encodeRequest(terms, true);
        _send(stranger, data);
        _topUp(terms, 1);
        _assertChannel(terms, 1001, 0, 0, false);
        skip(bound(elapsed, 0, 1000 * GRACE_PERIOD));
        uint256 requestedAt = currentTime();
        _send(stranger, data);
        _assertChannel(terms, 1001, 0, requestedAt, false);
    }

    /* WITHDRAWING */

    /// The border is sharp to the second, and anyone may stand on either side of it.
    function testFuzz_INV10_withdraw_paysFromTheEndOfGraceOn(
        uint256 deposit,
        uint256 settled,
        uint256 elapsed,
        address caller
    ) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        settled = bound(settled, 0, deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        _openSettled(terms, deposit, settled);
        _requestClose(terms);
        uint256 readyAt = block.timestamp + GRACE_PERIOD;
        bytes memory data = abi.encodeCall(channels.withdraw, (terms));
        bytes memory refusal = abi.encodeWithSelector(IPaymentChannels.CloseNotReady.selector, readyAt);

        vm.warp(readyAt - bound(elapsed, 1, GRACE_PERIOD));
        _expectRefusal(caller, data, refusal);
        vm.warp(readyAt - 1);
        _expectRefusal(payer, data, refusal);
        vm.warp(readyAt + (elapsed % 2 == 0 ? 0 : bound(elapsed, 0, type(uint40).max)));
        vm.expectEmit();
        emit IPaymentChannels.ChannelClosed(_idOf(terms), settled, deposit - settled);
        _send(caller, data);
        assertEq(blocklist.balanceOf(payer), deposit - settled, "to the payer");
        assertEq(blocklist.balanceOf(payee), settled, "to the payee");
    }

    /// Whatever a payee does meanwhile, short of closing, the rest leaves after grace, at worst as credit.
    function testFuzz_INV10_withdraw_pays_whateverThePayeeDoes(uint256 deposit, uint256 seed) public {
        deposit = bound(deposit, 20, MAX_DEPOSIT / 64);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, deposit);
        _send(payer, _encodeRequest(terms, seed % 2 == 0));
        uint256 readyAt = block.timestamp + GRACE_PERIOD;
        uint256 settled = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 step = derive(seed, i);
            if (step % 5 == 0) _settle(terms, settled = bound(step, settled + 1, settled + deposit / 20));
            if (step % 5 == 1) _block(i % 2 == 0 ? payee : payer, step % 10 < 5);
            if (step % 5 == 2) _topUpRelayed(terms, 1 + (step % 1000), stranger, bytes32(step));
            if (step % 5 == 3) vm.etch(i % 2 == 0 ? payee : payer, hex"5f5ffd");
            if (step % 5 == 4) skip(step % 200);
        }
        if (currentTime() < readyAt) vm.warp(readyAt);

        uint256 rest = _channel(terms).deposit - settled;
        bool isBlocked = blocklist.isBlocked(payer);
        _send(stranger, abi.encodeCall(channels.withdraw, (terms)));
        assertEq(isBlocked ? 0 : rest, blocklist.balanceOf(payer), "paid");
        assertEq(isBlocked ? rest : 0, channels.credit(terms.token, payer), "credited");
        assertTrue(_channel(terms).finalized, "finalized");
    }

    /// Time alone gives nobody a way out, and a request that was taken back gives none either.
    function testFuzz_INV7_withdraw_revertsWhen_noRequestIsPending(
        uint256 elapsed,
        bool isCancelled,
        address caller
    ) public {
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        if (isCancelled) {
            _requestClose(terms);
            skip(bound(elapsed, 0, 2 * GRACE_PERIOD));
            _topUp(terms, 1);
        }
        skip(bound(elapsed, 0, 365 days));
        _expectRefusal(
            caller,
            abi.encodeCall(channels.withdraw, (terms)),
            abi.encodeWithSelector(IPaymentChannels.CloseNotRequested.selector, _idOf(terms))
        );
    }

    function testFuzz_INV7_onlyThePayersOwnTopUpClearsTheTimer(uint256 seed) public {
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        uint256 requestedAt = block.timestamp;
        _requestClose(terms);
        for (uint256 i = 0; i < 6; ++i) {
            uint256 step = derive(seed, i);
            vm.warp(requestedAt + (step % GRACE_PERIOD));
            if (step % 4 == 0) _topUpRelayed(terms, 1 + (step % 100), i % 2 == 0 ? payer : stranger, bytes32(step));
            if (step % 4 == 1) _settle(terms, _channel(terms).settled + 1);
            if (step % 4 == 2) {
                uint256 amount = _channel(terms).settled + 1;
                (address caller, bytes memory data) = _encodeSettle(Route(step % 3), _claimOf(terms, amount, 1000));
                _send(caller, data);
            }
            if (step % 4 == 3) {
                bytes memory refusal = abi.encodeWithSelector(IPaymentChannels.NotPayer.selector, payee, payer);
                _expectRefusal(payee, abi.encodeCall(channels.topUp, (terms, 1)), refusal);
            }
            assertEq(_channel(terms).closeRequestedAt, requestedAt, "the timer stays");
        }
        _topUp(terms, 1);
        assertEq(_channel(terms).closeRequestedAt, 0, "the payer took it back");
    }

    /* INV3, INV4: THE END */

    enum Ending {
        Close,
        CloseWithAuthorization,
        Withdraw
    }

    function testFuzz_INV4_partiesGetExactlyTheDeposit(
        uint256 deposit,
        uint256 settled,
        uint256 amount,
        uint8 ending,
        bool isPayeeBlocked,
        bool isPayerBlocked
    ) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        settled = bound(settled, 0, deposit);
        amount = Ending(ending % 3) == Ending.Withdraw ? settled : bound(amount, settled, deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        _openSettled(terms, deposit, settled);
        _block(payee, isPayeeBlocked);
        _block(payer, isPayerBlocked);

        _end(terms, Ending(ending % 3), amount);

        assertEq(_holding(terms.token, payee), amount, "to the payee");
        assertEq(_holding(terms.token, payer), deposit - amount, "to the payer");
        assertEq(channels.credit(terms.token, payee), isPayeeBlocked ? amount - settled : 0, "the payee's credit");
        assertEq(channels.credit(terms.token, payer), isPayerBlocked ? deposit - amount : 0, "the payer's credit");
        // Nothing is left behind either.
        assertEq(
            blocklist.balanceOf(address(channels)),
            channels.credit(terms.token, payee) + channels.credit(terms.token, payer),
            "balance"
        );
    }

    function testFuzz_INV3_finalizedStaysSo(uint256 deposit, uint256 amount, uint8 ending, uint256 elapsed) public {
        deposit = bound(deposit, 2, MAX_DEPOSIT - 1);
        amount = Ending(ending % 3) == Ending.Withdraw ? 0 : bound(amount, 0, deposit - 1);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, deposit);
        _end(terms, Ending(ending % 3), amount);
        bytes memory record = abi.encode(_channel(terms));
        skip(bound(elapsed, 0, 365 days));
        _fund(payer, terms.token, deposit);

        _expectRefusal(
            payer,
            abi.encodeCall(channels.open, (payee, terms.token, uint128(deposit), terms.salt, signer)),
            abi.encodeWithSelector(IPaymentChannels.ChannelAlreadyExists.selector, _idOf(terms))
        );
        bytes memory refusal = abi.encodeWithSelector(IPaymentChannels.ChannelFinalized.selector, _idOf(terms));
        // A statement that nobody has used yet, at the highest amount.
        IPaymentChannels.Claim memory claim = _claimOf(terms, deposit, deposit);
        for (uint256 i = 0; i < 3; ++i) {
            (address caller, bytes memory data) = _encodeSettle(Route(i), claim);
            _expectRefusal(caller, data, refusal);
        }
        for (uint256 i = 0; i < 2; ++i) {
            (address caller, bytes memory data) = _encodeClose(i == 1, claim);
            _expectRefusal(caller, data, refusal);
            _expectRefusal(payer, _encodeRequest(terms, i == 1), refusal);
        }
        _expectRefusal(payer, abi.encodeCall(channels.topUp, (terms, 1)), refusal);
        _expectRefusal(payer, abi.encodeCall(channels.withdraw, (terms)), refusal);
        vm.expectEmit();
        emit IPaymentChannels.ClaimSkipped(_idOf(terms), IPaymentChannels.ChannelFinalized.selector);
        (address batcher, bytes memory batch) = _encodeSettle(Route.Batch, claim);
        _send(batcher, batch);

        assertEq(abi.encode(_channel(terms)), record, "the record");
    }

    /* HELPERS */

    function _end(IPaymentChannels.Terms memory terms, Ending ending, uint256 amount) private {
        if (ending == Ending.Withdraw) {
            _requestClose(terms);
            skip(GRACE_PERIOD);
            _send(stranger, abi.encodeCall(channels.withdraw, (terms)));
            return;
        }
        (address caller, bytes memory data) = _encodeClose(
            ending == Ending.CloseWithAuthorization,
            _claimOf(terms, amount, amount)
        );
        _send(caller, data);
    }

    function _encodeRequest(IPaymentChannels.Terms memory terms, bool isRelayed) private view returns (bytes memory) {
        if (!isRelayed) return abi.encodeCall(channels.requestClose, (terms));
        bytes memory signature = _signCloseRequest(terms.payer, _idOf(terms), FOREVER);
        return abi.encodeCall(channels.requestCloseWithAuthorization, (terms, uint64(FOREVER), signature));
    }

    function _refusalOf(
        uint256 amount,
        uint256 entitlement,
        uint256 deposit,
        uint256 settled
    ) private pure returns (bytes memory) {
        if (amount < settled) {
            return abi.encodeWithSelector(IPaymentChannels.AmountBelowSettled.selector, amount, settled);
        }
        if (amount == settled) return "";
        if (amount > entitlement) {
            return abi.encodeWithSelector(IPaymentChannels.AmountExceedsEntitlement.selector, amount, entitlement);
        }
        if (amount > deposit) {
            return abi.encodeWithSelector(IPaymentChannels.AmountExceedsDeposit.selector, amount, deposit);
        }
        return "";
    }

    /// Any amount, but mostly one next to a border or between the two.
    function _nearTo(uint256 seed, uint256 low, uint256 high) private pure returns (uint256) {
        uint256 kind = seed % 8;
        if (kind == 0) return bound(seed, 0, type(uint128).max);
        if (kind == 1) return low == 0 ? 0 : low - 1;
        if (kind == 2) return low;
        if (kind == 3) return low + 1;
        if (kind == 4) return high;
        if (kind == 5) return high + 1;
        return low < high ? bound(seed, low, high) : bound(seed, high, low);
    }
}
