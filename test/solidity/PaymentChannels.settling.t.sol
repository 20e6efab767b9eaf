// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../contracts/interfaces/IPaymentChannels.sol";
import {ITokenCustody} from "../../contracts/interfaces/ITokenCustody.sol";
import {ChannelsTest} from "./utils/ChannelsTest.sol";

contract PaymentChannelsSettlingTest is ChannelsTest {
    /* WHAT A CLAIM IS WORTH */

    /// The whole rule: refused with these numbers, or exactly the growth is paid, whichever way the claim comes.
    function testFuzz_settle_followsTheRule(
        uint256 deposit,
        uint256 settled,
        uint256 amount,
        uint256 cumulativeAmount,
        uint8 route
    ) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        settled = bound(settled, 0, deposit);
        cumulativeAmount = _near(cumulativeAmount, deposit, settled);
        amount = _near(amount, _min(deposit, cumulativeAmount), settled);
        IPaymentChannels.Terms memory terms = _terms(1);
        _openSettled(terms, deposit, settled);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, cumulativeAmount);
        (address caller, bytes memory data) = _encodeSettle(Route(route % 4), claim);

        bytes memory refusal = _refusalOf(amount, cumulativeAmount, deposit, settled);
        if (refusal.length == 0) {
            vm.expectEmit();
            emit IPaymentChannels.ChannelSettled(_idOf(terms), amount);
            _send(caller, data);
            settled = amount;
        } else if (Route(route % 4) == Route.Batch) {
            vm.expectEmit();
            emit IPaymentChannels.ClaimSkipped(_idOf(terms), bytes4(refusal));
            _send(caller, data);
        } else {
            _expectRefusal(caller, data, refusal);
        }
        _assertChannel(terms, deposit, settled, 0, false);
        assertEq(blocklist.balanceOf(payee), settled, "paid");
        assertEq(blocklist.balanceOf(address(channels)), deposit - settled, "kept");
    }

    /// A voucher may be a ceiling: what the payee names is captured, to the last unit, and the rest stays claimable.
    function testFuzz_settle_capturesTheAmountNotTheCeiling(uint256 ceiling, uint256 first, uint256 second) public {
        ceiling = bound(ceiling, 2, MAX_DEPOSIT);
        first = bound(first, 1, ceiling - 1);
        second = bound(second, first + 1, ceiling);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, ceiling);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 amount = i == 0 ? first : second;
            IPaymentChannels.Claim memory claim = _claimOf(terms, amount, ceiling);
            vm.prank(payee);
            channels.settle(claim);
            assertEq(blocklist.balanceOf(payee), amount, "paid");
        }
    }

    /// Amounts have 128 bits and deposits 104: nothing is cut off on the way.
    function testFuzz_settle_revertsWhen_amountHasMoreBitsThanADeposit(uint256 deposit, uint256 amount) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        amount = (bound(amount, 1, type(uint24).max) << 104) + bound(amount, 1, deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, deposit);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, type(uint128).max);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AmountExceedsDeposit.selector, amount, deposit));
        vm.prank(payee);
        channels.settle(claim);
    }

    function testFuzz_settle_revertsWhen_channelDoesNotExist(uint256 salt, uint256 amount, uint8 route) public {
        IPaymentChannels.Terms memory terms = _terms(salt);
        amount = bound(amount, 1, MAX_DEPOSIT);
        (address caller, bytes memory data) = _encodeSettle(Route(route % 3), _claimOf(terms, amount, amount));
        _expectRefusal(caller, data, abi.encodeWithSelector(IPaymentChannels.ChannelNotFound.selector, _idOf(terms)));
    }

    function testFuzz_settle_paysAPayerThatIsThePayee(uint256 deposit, uint256 amount, uint256 rest) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        amount = bound(amount, 1, deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        terms.payee = payer;
        _open(terms, deposit);
        _settle(terms, amount);
        IPaymentChannels.Claim memory claim = _claimOf(terms, bound(rest, amount, deposit), deposit);
        vm.prank(payer);
        channels.close(claim);
        assertEq(blocklist.balanceOf(payer), deposit, "all of it came back");
    }

    /* INV5, INV6: THE BEST STATEMENT, IN ANY ORDER */

    function testFuzz_INV5_settlesAtMostTheBestStatement(
        uint256 deposit,
        uint256[6] memory amounts,
        uint256 seed
    ) public {
        deposit = bound(deposit, 6, MAX_DEPOSIT);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, deposit);
        uint256 best = 0;
        for (uint256 i = 0; i < amounts.length; ++i) {
            uint256 cumulativeAmount = bound(amounts[i], 1, deposit);
            if (cumulativeAmount > best) best = cumulativeAmount;
            IPaymentChannels.Claim memory claim = _claimOf(terms, cumulativeAmount, cumulativeAmount);
            // Claims more than the statement is worth in every second attempt.
            if (derive(seed, i) % 2 == 0) claim.amount = uint128(bound(derive(seed, i), cumulativeAmount, deposit));
            bytes memory refusal = _refusalOf(claim.amount, cumulativeAmount, deposit, _channel(terms).settled);
            bytes memory data = abi.encodeCall(channels.settle, (claim));
            if (refusal.length == 0) _send(payee, data);
            else _expectRefusal(payee, data, refusal);
            assertTrue(_channel(terms).settled <= best, "more than was signed");
        }
    }

    function testFuzz_INV6_orderAndRepetitionDoNotMatter(
        uint256 deposit,
        uint256[5] memory amounts,
        uint256 seed
    ) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, deposit);
        uint256 largest = 0;
        for (uint256 i = 0; i < amounts.length; ++i) {
            amounts[i] = bound(amounts[i], 1, deposit);
            if (amounts[i] > largest) largest = amounts[i];
        }
        for (uint256 i = 0; i < 3 * amounts.length; ++i) {
            // The last five attempts make sure that each claim was sent.
            uint256 which = i < 2 * amounts.length ? derive(seed, i) % amounts.length : i - 2 * amounts.length;
            _settleOrGainNothing(terms, amounts[which], Route(derive(seed, i) % 3));
        }
        _assertChannel(terms, deposit, largest, 0, false);
        assertEq(blocklist.balanceOf(payee), largest, "paid");
    }

    /* INV8: WHO MAY CAPTURE */

    function testFuzz_INV8_nobodyElseCaptures(address caller, uint256 amount, uint256 elapsed, uint8 kind) public {
        address[5] memory known = [caller, payer, signer, operator, relayer];
        caller = known[kind % 5];
        vm.assume(caller != payee);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        _requestClose(terms);
        skip(bound(elapsed, 0, GRACE_PERIOD - 1));
        amount = bound(amount, 1, 1000);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, amount);
        bytes memory refusal = abi.encodeWithSelector(IPaymentChannels.NotPayee.selector, caller, payee);

        _expectRefusal(caller, abi.encodeCall(channels.close, (claim)), refusal);
        if (caller == operator) {
            vm.prank(payee);
            channels.setOperator(operator, false);
        }
        for (uint256 i = 0; i < 2; ++i) {
            (, bytes memory data) = _encodeSettle(i == 0 ? Route.Payee : Route.Batch, claim);
            _expectRefusal(caller, data, refusal);
        }
        _assertChannel(terms, 1000, 0, 1_700_000_000, false);
    }

    /// An operator of one payee is a stranger to another, and approval works in one direction.
    function testFuzz_INV8_operatorSettlesForItsPayeeOnly(address other, uint256 amount) public {
        vm.assume(other != payee && other != operator && other != address(0) && other != address(channels));
        IPaymentChannels.Terms memory terms = _terms(1);
        terms.payee = other;
        _open(terms, 1000);
        amount = bound(amount, 1, 1000);
        (, bytes memory data) = _encodeSettle(Route.Operator, _claimOf(terms, amount, amount));
        _expectRefusal(operator, data, abi.encodeWithSelector(IPaymentChannels.NotPayee.selector, operator, other));

        terms.payee = operator;
        _open(terms, 1000);
        (, data) = _encodeSettle(Route.Operator, _claimOf(terms, amount, amount));
        _expectRefusal(payee, data, abi.encodeWithSelector(IPaymentChannels.NotPayee.selector, payee, operator));
    }

    function testFuzz_INV8_authorizationCapturesItsAmountOnly(uint256 signed, uint256 amount, uint256 ceiling) public {
        ceiling = bound(ceiling, 2, MAX_DEPOSIT);
        signed = bound(signed, 1, ceiling);
        amount = bound(amount, 1, ceiling);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, ceiling);
        IPaymentChannels.Claim memory claim = _claimOf(terms, signed, ceiling);
        (, bytes memory data) = _encodeSettle(Route.Authorization, claim);
        bytes memory signature = _signAuthorization(payee, SETTLE_TYPEHASH, _idOf(terms), signed, NONCE, FOREVER);

        claim.amount = uint128(amount);
        if (amount != signed) {
            vm.expectRevert(abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, payee));
            vm.prank(stranger);
            channels.settleWithAuthorization(claim, NONCE, FOREVER, signature);
        }
        _send(stranger, data);
        assertEq(blocklist.balanceOf(payee), signed, "paid");
        _expectRefusal(
            stranger,
            data,
            abi.encodeWithSelector(IPaymentChannels.AmountNotIncreasing.selector, signed, signed)
        );
    }

    function testFuzz_settleWithAuthorization_includesTheLastSecond(
        uint256 deadline,
        uint256 late,
        bool isClose
    ) public {
        deadline = bound(deadline, block.timestamp, FOREVER);
        late = bound(late, 1, FOREVER);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        IPaymentChannels.Claim memory claim = _claimOf(terms, 400, 400);
        bytes memory signature = _signAuthorization(
            payee,
            isClose ? CLOSE_TYPEHASH : SETTLE_TYPEHASH,
            _idOf(terms),
            400,
            NONCE,
            deadline
        );
        bytes memory data =
            isClose
                ? abi.encodeCall(channels.closeWithAuthorization, (claim, NONCE, deadline, signature))
                : abi.encodeCall(channels.settleWithAuthorization, (claim, NONCE, deadline, signature));

        vm.warp(deadline + late);
        bytes memory refusal = abi.encodeWithSelector(ITokenCustody.AuthorizationExpired.selector, deadline);
        _expectRefusal(stranger, data, refusal);
        vm.warp(deadline);
        _send(stranger, data);
        assertEq(blocklist.balanceOf(payee), 400, "paid");
    }

    /* INV9: A VALID CLAIM SETTLES, WHATEVER OTHERS DO */

    function testFuzz_INV9_validClaimSettlesUntilFinalization(
        uint256 deposit,
        uint256 amount,
        uint256 seed,
        uint8 route
    ) public {
        deposit = bound(deposit, 2, MAX_DEPOSIT / 64);
        amount = bound(amount, 2, deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, deposit);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, amount);
        for (uint256 i = 0; i < 12; ++i) _disturb(terms, derive(seed, i), amount);

        (address caller, bytes memory data) = _encodeSettle(Route(route % 4), claim);
        _send(caller, data);
        assertEq(_channel(terms).settled, amount, "settled");
        assertEq(_holding(terms.token, payee), amount, "paid or credited");
    }

    /// What payer, token and others might do against a payee that holds a claim for `amount`.
    function _disturb(IPaymentChannels.Terms memory terms, uint256 seed, uint256 amount) private {
        uint256 kind = seed % 9;
        bool isPending = _channel(terms).closeRequestedAt != 0;
        if (kind == 0 && !isPending) _requestClose(terms);
        if (kind == 1) skip(seed % (3 * GRACE_PERIOD));
        if (kind == 2) _block(payer, seed % 16 < 8);
        if (kind == 3) _block(payee, seed % 16 < 8);
        if (kind == 4) vm.etch(seed % 16 < 8 ? payer : signer, hex"5f5ffd");
        if (kind == 5 && !blocklist.isBlocked(payer)) _topUp(terms, 1 + (seed % 1000));
        if (kind == 6) _topUpRelayed(terms, 1 + (seed % 1000), stranger, bytes32(seed));
        if (kind == 7) _settleOrGainNothing(terms, bound(seed, 1, amount - 1), Route(seed % 3));
        if (kind == 8) {
            IPaymentChannels.Terms memory others = _terms(seed);
            (others.payer, others.token) = (stranger, address(token));
            _openSettled(others, 1000, 1 + (seed % 1000));
        }
    }

    /* HELPERS */

    function _settleOrGainNothing(IPaymentChannels.Terms memory terms, uint256 amount, Route route) private {
        uint256 settled = _channel(terms).settled;
        (address caller, bytes memory data) = _encodeSettle(route, _claimOf(terms, amount, amount));
        if (amount > settled) _send(caller, data);
        else {
            _expectRefusal(
                caller,
                data,
                abi.encodeWithSelector(IPaymentChannels.AmountNotIncreasing.selector, amount, settled)
            );
        }
    }

    /// The error that the rule of docs/protocol.md asks for; empty if the claim is to be accepted.
    function _refusalOf(
        uint256 amount,
        uint256 entitlement,
        uint256 deposit,
        uint256 settled
    ) private pure returns (bytes memory) {
        if (amount > entitlement) {
            return abi.encodeWithSelector(IPaymentChannels.AmountExceedsEntitlement.selector, amount, entitlement);
        }
        if (amount > deposit) {
            return abi.encodeWithSelector(IPaymentChannels.AmountExceedsDeposit.selector, amount, deposit);
        }
        if (amount <= settled) {
            return abi.encodeWithSelector(IPaymentChannels.AmountNotIncreasing.selector, amount, settled);
        }
        return "";
    }

    /// Any amount, but mostly one next to a border.
    function _near(uint256 seed, uint256 high, uint256 low) private pure returns (uint256) {
        uint256 kind = seed % 8;
        if (kind == 0) return bound(seed, 0, type(uint128).max);
        if (kind == 1) return low;
        if (kind == 2) return low + 1;
        if (kind == 3) return high;
        if (kind == 4) return high + 1;
        return low < high ? bound(seed, low + 1, high) : bound(seed, high, low);
    }

    function _min(uint256 left, uint256 right) private pure returns (uint256) {
        return left < right ? left : right;
    }
}
