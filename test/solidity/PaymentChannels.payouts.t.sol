// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../contracts/interfaces/IPaymentChannels.sol";
import {ITokenCustody} from "../../contracts/interfaces/ITokenCustody.sol";
import {BlocklistToken} from "../../contracts/test/BlocklistToken.sol";
import {GasLadder} from "../../contracts/test/GasLadder.sol";
import {HungryToken} from "../../contracts/test/HungryToken.sol";
import {ChannelsTest} from "./utils/ChannelsTest.sol";

contract PaymentChannelsPayoutsTest is ChannelsTest {
    uint256 private constant MIN_GAS_LEFT = 200_000;
    uint256 private constant AMOUNT = 40;

    GasLadder private ladder;
    HungryToken private hungry;

    function setUp() public override {
        super.setUp();
        ladder = new GasLadder();
        hungry = new HungryToken();
        vm.prank(payee);
        channels.setOperator(address(ladder), true);
    }

    /* CREDIT */

    function testFuzz_credit_waitsForItsAccount(uint256[4] memory amounts, address caller) public {
        uint256 total = 0;
        _block(payee, true);
        for (uint256 i = 0; i < amounts.length; ++i) {
            uint256 amount = bound(amounts[i], 1, MAX_DEPOSIT);
            _open(_terms(i), amount);
            vm.expectEmit();
            emit ITokenCustody.CreditAdded(address(blocklist), payee, amount);
            _settle(_terms(i), amount);
            total += amount;
            assertEq(channels.credit(address(blocklist), payee), total, "credit");
        }
        bytes memory data = abi.encodeCall(channels.claimCredit, (address(blocklist), payee));
        _expectRefusal(caller, data, abi.encodeWithSelector(BlocklistToken.Blocked.selector, payee));
        assertEq(channels.credit(address(blocklist), payee), total, "credit after a refusal");

        _block(payee, false);
        vm.expectEmit();
        emit ITokenCustody.CreditClaimed(address(blocklist), payee, total);
        _send(caller, data);
        assertEq(blocklist.balanceOf(payee), total, "paid");
        assertEq(channels.credit(address(blocklist), payee), 0, "credit afterwards");
        _expectRefusal(
            caller,
            data,
            abi.encodeWithSelector(ITokenCustody.NoCredit.selector, address(blocklist), payee)
        );
    }

    /// Credit of one account, in one token, is nobody else's.
    function testFuzz_claimCredit_revertsWhen_thereIsNone(address inToken, address account, uint256 amount) public {
        _block(payee, true);
        _open(_terms(1), MAX_DEPOSIT);
        _settle(_terms(1), bound(amount, 1, MAX_DEPOSIT));
        _block(payee, false);
        vm.assume(account != payee);
        address[2] memory tokens = [inToken, address(blocklist)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ITokenCustody.NoCredit.selector, tokens[i], account));
            channels.claimCredit(tokens[i], account);
        }
        vm.expectRevert(abi.encodeWithSelector(ITokenCustody.NoCredit.selector, address(token), payee));
        channels.claimCredit(address(token), payee);
    }

    /* GAS */

    /// @notice The calls that pay. A close pays twice.
    enum Payment {
        Settle,
        SettleWithAuthorization,
        SettleBatch,
        CloseWithAuthorization,
        Withdraw
    }

    /// No amount of gas makes credit of a payout that can be made, however much gas below the bound a transfer needs.
    function testFuzz_payout_isNeverStarved(uint256 gasLimit, uint256 need, uint8 payment) public {
        bytes memory data = _prepare(Payment(payment % 5));
        need = bound(need, 0, 63 * MIN_GAS_LEFT - 100_000);
        hungry.setAppetite(_wordsFor(need));
        gasLimit = bound(gasLimit, 30_000, 2 * need + 600_000);
        GasLadder.Outcome memory outcome = _climb(data, gasLimit, 1, 1)[0];
        assertEq(outcome.creditAdded, 0, "starved");
        if (!outcome.success) _assertLackOfGas(outcome.result);
    }

    /// Every step of the ladder from too little gas to enough, for a cheap token and a dear one.
    function test_payout_isNeverStarved_onAnyStep() public {
        preventReplay();
        for (uint256 payment = 0; payment < 5; ++payment) {
            bytes memory data = _prepare(Payment(payment));
            hungry.setAppetite(0);
            _assertPaidOrReverted(_climb(data, 20_000, 500, 500));
            hungry.setAppetite(_wordsFor(2_000_000));
            _assertPaidOrReverted(_climb(data, 1_900_000, 12_500, 250));
        }
    }

    /// A payout that the token refuses becomes credit, but only with enough gas left to know that the token meant it.
    function test_payout_becomesCredit_onlyWithGasLeft() public {
        preventReplay();
        uint256 credited = 0;
        uint256 refused = 0;
        bytes memory data = _prepare(Payment.Settle);
        hungry.burn(address(channels), 1000);
        GasLadder.Outcome[] memory outcomes = _climb(data, 100_000, 1_000, 300);
        for (uint256 i = 0; i < outcomes.length; ++i) {
            if (outcomes[i].success) {
                assertEq(outcomes[i].creditAdded, AMOUNT, "credit");
                ++credited;
            } else if (outcomes[i].result.length > 0) {
                _assertLackOfGas(outcomes[i].result);
                ++refused;
            }
            // Once there is enough gas, more does not hurt.
            assertTrue(outcomes[i].success || credited == 0, "refused with more gas than enough");
        }
        assertTrue(credited > 50 && refused > 50, "both ends were seen");
    }

    function _assertPaidOrReverted(GasLadder.Outcome[] memory outcomes) private pure {
        uint256 paid = 0;
        for (uint256 i = 0; i < outcomes.length; ++i) {
            assertEq(outcomes[i].creditAdded, 0, "starved");
            if (outcomes[i].success) ++paid;
            else _assertLackOfGas(outcomes[i].result);
        }
        assertTrue(paid > 10 && paid < outcomes.length - 10, "both ends were seen");
    }

    /// Out of gas, or the contract's own word for it.
    function _assertLackOfGas(bytes memory result) private pure {
        if (result.length == 0) return;
        uint256 gasLeft = 0;
        assembly ("memory-safe") {
            gasLeft := mload(add(result, 0x24))
        }
        assertTrue(gasLeft < MIN_GAS_LEFT, "refused with gas left");
        assertEq(
            result,
            abi.encodeWithSelector(ITokenCustody.InsufficientPayoutGas.selector, gasLeft, MIN_GAS_LEFT),
            "refused by another error"
        );
    }

    /// A channel in the hungry token, and the call that pays out of it, which the ladder may make.
    function _prepare(Payment payment) private returns (bytes memory data) {
        IPaymentChannels.Terms memory terms = _terms(uint256(payment));
        terms.token = address(hungry);
        _open(terms, 1000);
        IPaymentChannels.Claim memory claim = _claimOf(terms, AMOUNT, AMOUNT);
        if (payment == Payment.Settle) (, data) = _encodeSettle(Route.Payee, claim);
        if (payment == Payment.SettleWithAuthorization) (, data) = _encodeSettle(Route.Authorization, claim);
        if (payment == Payment.SettleBatch) (, data) = _encodeSettle(Route.Batch, claim);
        if (payment == Payment.CloseWithAuthorization) (, data) = _encodeClose(true, claim);
        if (payment == Payment.Withdraw) {
            _requestClose(terms);
            skip(GRACE_PERIOD);
            data = abi.encodeCall(channels.withdraw, (terms));
        }
    }

    function _climb(
        bytes memory data,
        uint256 firstGas,
        uint256 step,
        uint256 count
    ) private returns (GasLadder.Outcome[] memory) {
        address[] memory accounts = new address[](2);
        (accounts[0], accounts[1]) = (payer, payee);
        return ladder.climb(channels, data, address(hungry), accounts, firstGas, step, count);
    }

    /// How much memory makes a transfer take this much gas: 3 a word and a 512th of their square.
    function _wordsFor(uint256 need) private pure returns (uint256 words) {
        while (words * 3 + (words * words) / 512 < need) words += 256;
    }
}
