// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../contracts/interfaces/IPaymentChannels.sol";
import {ITokenCustody} from "../../contracts/interfaces/ITokenCustody.sol";
import {BlocklistToken} from "../../contracts/test/BlocklistToken.sol";
import {GasToken} from "../../contracts/test/GasToken.sol";
import {ChannelsHandler} from "./handlers/ChannelsHandler.sol";
import {ChannelsModel} from "./handlers/ChannelsModel.sol";
import {Test} from "./utils/Test.sol";

/// @notice The numbers are those of docs/invariants.md. The handler acts, its model tells what must have come of it.
contract PaymentChannelsInvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    ChannelsHandler private immutable handler;
    IPaymentChannels private immutable channels;

    /// @dev Carries what a trial came to out of it, undoing what it did.
    error Tried(uint256 gained);
    error Explored(uint256[] counts);

    constructor() {
        handler = new ChannelsHandler();
        channels = handler.contractUnderTest();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory selectors) {
        selectors = new FuzzSelector[](1);
        selectors[0] = FuzzSelector(address(handler), handler.actions());
    }

    /* THE INVARIANTS */

    function invariant_INV1_balanceCoversDepositsAndCredit() external view {
        _checkBalances(_look());
    }

    function invariant_INV2_settledStaysWithinTheDepositAndBothGrow() external view {
        _checkGrowth(_look());
    }

    function invariant_INV3_finalizedIsForGood() external view {
        _checkFinality(_look());
    }

    function invariant_INV4_partiesGetExactlyTheDeposit() external view {
        _checkPayouts(_look());
    }

    function invariant_INV5_settledIsWithinTheBestStatement() external view {
        _checkEntitlement(_look());
    }

    function invariant_INV6_settledIsTheLargestAcceptedAmount() external view {
        _checkSettled(_look());
    }

    function invariant_INV7_onlyThePayerSetsAndClearsTheTimer() external view {
        _checkTimer(_look());
    }

    function invariant_INV8_onlyThoseEntitledCaptureAndFinalize() external view {
        _checkAuthority(_look());
    }

    function invariant_INV9_bestClaimSettles() external {
        _checkThatItSettles(_look());
    }

    function invariant_INV10_anyonePaysOutAfterGrace() external {
        _checkThatItPaysOut(_look());
    }

    function checkAll() external {
        World memory world = _look();
        _checkBalances(world);
        _checkGrowth(world);
        _checkFinality(world);
        _checkPayouts(world);
        _checkEntitlement(world);
        _checkSettled(world);
        _checkTimer(world);
        _checkAuthority(world);
        _checkThatItSettles(world);
        _checkThatItPaysOut(world);
    }

    /* CHECKING */

    /// @notice What the contract stores now and stored before the last step, beside what the model says.
    struct World {
        ChannelsModel.Ghost[] ghosts;
        IPaymentChannels.Channel[] states;
        IPaymentChannels.Channel[] before;
    }

    function _look() private view returns (World memory world) {
        world.ghosts = handler.ghosts();
        world.before = handler.statesBefore();
        bytes32[] memory ids = new bytes32[](world.ghosts.length);
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = world.ghosts[i].id;
        world.states = channels.getChannels(ids);
    }

    /// For these tokens it is even an equation, gifts included.
    function _checkBalances(World memory world) private view {
        address[] memory accounts = handler.accounts();
        for (uint256 t = 0; t < 2; ++t) {
            GasToken token = t == 0 ? handler.token() : GasToken(handler.blocklist());
            uint256 owed = handler.donated(address(token));
            for (uint256 i = 0; i < accounts.length; ++i) owed += channels.credit(address(token), accounts[i]);
            for (uint256 i = 0; i < world.states.length; ++i) {
                IPaymentChannels.Channel memory channel = world.states[i];
                if (channel.finalized || world.ghosts[i].terms.token != address(token)) continue;
                owed += channel.deposit - channel.settled;
            }
            assertEq(token.balanceOf(address(channels)), owed, "INV1: balance");
        }
    }

    function _checkGrowth(World memory world) private pure {
        for (uint256 i = 0; i < world.states.length; ++i) {
            IPaymentChannels.Channel memory channel = world.states[i];
            assertEq(channel.deposit, world.ghosts[i].deposit, "INV2: deposit");
            assertTrue(channel.settled <= channel.deposit, "INV2: settled above the deposit");
            assertTrue(channel.settled >= world.before[i].settled, "INV2: settled fell");
            assertTrue(channel.deposit >= world.before[i].deposit, "INV2: the deposit fell");
        }
    }

    function _checkFinality(World memory world) private pure {
        for (uint256 i = 0; i < world.states.length; ++i) {
            assertTrue(world.states[i].finalized == world.ghosts[i].finalized, "INV3: finalized");
            if (!world.before[i].finalized) continue;
            assertEq(abi.encode(world.states[i]), abi.encode(world.before[i]), "INV3: a finalized channel changed");
        }
    }

    /// Every account has what the model says, delivered or as credit, so every unit went where it belongs.
    function _checkPayouts(World memory world) private view {
        for (uint256 i = 0; i < world.states.length; ++i) {
            ChannelsModel.Ghost memory ghost = world.ghosts[i];
            assertEq(ghost.paidToPayee, world.states[i].settled, "INV4: to the payee");
            if (!world.states[i].finalized) continue;
            assertEq(ghost.paidToPayee + ghost.paidToPayer, world.states[i].deposit, "INV4: in all");
        }
        address[] memory accounts = handler.accounts();
        for (uint256 t = 0; t < 2; ++t) {
            GasToken token = t == 0 ? handler.token() : GasToken(handler.blocklist());
            for (uint256 i = 0; i < accounts.length; ++i) {
                (address inToken, address account) = (address(token), accounts[i]);
                assertEq(token.balanceOf(account), handler.balanceOf(inToken, account), "INV4: balance");
                assertEq(channels.credit(inToken, account), handler.creditOf(inToken, account), "INV4: credit");
            }
        }
    }

    function _checkEntitlement(World memory world) private pure {
        for (uint256 i = 0; i < world.states.length; ++i) {
            assertTrue(world.states[i].settled <= world.ghosts[i].entitlement, "INV5: more than was signed");
        }
    }

    function _checkSettled(World memory world) private pure {
        for (uint256 i = 0; i < world.states.length; ++i) {
            assertEq(world.states[i].settled, world.ghosts[i].accepted, "INV6: settled");
        }
    }

    function _checkTimer(World memory world) private pure {
        for (uint256 i = 0; i < world.states.length; ++i) {
            assertEq(world.states[i].closeRequestedAt, world.ghosts[i].closeRequestedAt, "INV7: timer");
        }
    }

    function _checkAuthority(World memory world) private view {
        uint256 step = handler.steps();
        for (uint256 i = 0; i < world.states.length; ++i) {
            bool isCaptured = world.states[i].settled != world.before[i].settled;
            bool isEnded = world.states[i].finalized != world.before[i].finalized;
            if (isCaptured) assertEq(world.ghosts[i].captureStep, step, "INV8: captured");
            if (isEnded) assertEq(world.ghosts[i].endStep, step, "INV8: finalized");
        }
    }

    /// Tried, not told: whatever happened before, the best claim on an open channel settles now.
    function _checkThatItSettles(World memory world) private {
        (bool found, uint256 index) = _openChannel(world);
        if (!found) return;
        IPaymentChannels.Claim memory claim = handler.bestClaim(index);
        uint256 settled = world.states[index].settled;
        if (claim.amount <= settled) return;
        try this.trySettling(claim) {} catch (bytes memory reason) {
            assertEq(_gained(reason, "INV9: refused"), claim.amount - settled, "INV9: paid");
        }
    }

    /// Tried as well: a channel whose close was requested pays out once grace has passed, whoever calls.
    function _checkThatItPaysOut(World memory world) private {
        (bool found, uint256 index) = _openChannel(world);
        if (!found) return;
        IPaymentChannels.Channel memory channel = world.states[index];
        uint256 time = currentTime();
        try this.tryLeaving(world.ghosts[index].terms, channel.closeRequestedAt) {} catch (bytes memory reason) {
            assertEq(_gained(reason, "INV10: refused"), channel.deposit - channel.settled, "INV10: paid");
        }
        vm.warp(time);
    }

    /* TRYING */

    function trySettling(IPaymentChannels.Claim calldata claim) external {
        uint256 before = _holding(claim.terms.token, claim.terms.payee);
        vm.prank(claim.terms.payee);
        channels.settle(claim);
        revert Tried(_holding(claim.terms.token, claim.terms.payee) - before);
    }

    function tryLeaving(IPaymentChannels.Terms calldata terms, uint256 closeRequestedAt) external {
        uint256 before = _holding(terms.token, terms.payer);
        if (closeRequestedAt == 0) {
            vm.prank(terms.payer);
            channels.requestClose(terms);
            closeRequestedAt = currentTime();
        }
        uint256 readyAt = closeRequestedAt + channels.CLOSE_GRACE_PERIOD();
        if (currentTime() < readyAt) vm.warp(readyAt);
        vm.prank(address(1));
        channels.withdraw(terms);
        revert Tried(_holding(terms.token, terms.payer) - before);
    }

    function _gained(bytes memory reason, string memory what) private pure returns (uint256 gained) {
        if (bytes4(reason) != Tried.selector) revert OtherBytes(what, reason, "");
        assembly ("memory-safe") {
            gained := mload(add(reason, 0x24))
        }
    }

    function _holding(address token, address account) private view returns (uint256) {
        return GasToken(token).balanceOf(account) + channels.credit(token, account);
    }

    /// Another one in every step.
    function _openChannel(World memory world) private view returns (bool, uint256) {
        uint256 count = world.states.length;
        for (uint256 i = 0; i < count; ++i) {
            uint256 index = (handler.steps() + i) % count;
            if (!world.states[index].finalized) return (true, index);
        }
        return (false, 0);
    }

    /* THAT THE HANDLER IS NOT IDLE */

    uint256 private constant WORLDS = 16;
    uint256 private constant STEPS = 150;

    /// The invariants are worth as much as what happens between them: every function must have succeeded, every function
    /// that can be refused must have been, and for every reason there is.
    function test_handlerReachesEveryFunction() public {
        preventReplay();
        (bytes4[] memory functions, bytes4[] memory errors) = (_functions(), _errors());
        uint256[] memory total = new uint256[](2 * functions.length + errors.length);
        for (uint256 world = 0; world < WORLDS; ++world) {
            uint256[] memory counts = _explore(world);
            for (uint256 i = 0; i < total.length; ++i) total[i] += counts[i];
        }
        for (uint256 i = 0; i < functions.length; ++i) {
            assertTrue(total[i] > 0, string.concat("never succeeded: ", _name(functions[i])));
            if (functions[i] == IPaymentChannels.setOperator.selector) continue;
            assertTrue(total[functions.length + i] > 0, string.concat("never refused: ", _name(functions[i])));
        }
        for (uint256 i = 0; i < errors.length; ++i) {
            assertTrue(total[2 * functions.length + i] > 0, string.concat("never the reason: ", _name(errors[i])));
        }
    }

    /// Each world starts anew: what happens in it is undone.
    function _explore(uint256 world) private returns (uint256[] memory counts) {
        try this.explore(world) {} catch (bytes memory reason) {
            if (bytes4(reason) != Explored.selector) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
            assembly ("memory-safe") {
                let size := sub(mload(reason), 4)
                reason := add(reason, 4)
                mstore(reason, size)
            }
            counts = abi.decode(reason, (uint256[]));
        }
    }

    function explore(uint256 world) external {
        bytes4[] memory selectors = handler.actions();
        for (uint256 i = 0; i < STEPS; ++i) {
            uint256 seed = derive(world, i);
            // Numbers that an action does not ask for are ignored.
            (bool success, bytes memory result) = address(handler).call(
                abi.encodePacked(
                    selectors[seed % selectors.length],
                    derive(seed, 0),
                    derive(seed, 1),
                    derive(seed, 2),
                    derive(seed, 3)
                )
            );
            if (!success) {
                assembly ("memory-safe") {
                    revert(add(result, 0x20), mload(result))
                }
            }
            this.checkAll();
        }
        revert Explored(_counts());
    }

    function _counts() private view returns (uint256[] memory counts) {
        (bytes4[] memory functions, bytes4[] memory errors) = (_functions(), _errors());
        counts = new uint256[](2 * functions.length + errors.length);
        for (uint256 i = 0; i < functions.length; ++i) {
            counts[i] = handler.successes(functions[i]);
            counts[functions.length + i] = handler.refusals(functions[i]);
        }
        for (uint256 i = 0; i < errors.length; ++i) counts[2 * functions.length + i] = handler.reasons(errors[i]);
    }

    function _functions() private pure returns (bytes4[] memory selectors) {
        bytes4[14] memory all = [
            IPaymentChannels.open.selector,
            IPaymentChannels.openWithAuthorization.selector,
            IPaymentChannels.topUp.selector,
            IPaymentChannels.topUpWithAuthorization.selector,
            IPaymentChannels.setOperator.selector,
            IPaymentChannels.settle.selector,
            IPaymentChannels.settleWithAuthorization.selector,
            IPaymentChannels.settleBatch.selector,
            IPaymentChannels.close.selector,
            IPaymentChannels.closeWithAuthorization.selector,
            IPaymentChannels.requestClose.selector,
            IPaymentChannels.requestCloseWithAuthorization.selector,
            IPaymentChannels.withdraw.selector,
            ITokenCustody.claimCredit.selector
        ];
        selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) selectors[i] = all[i];
    }

    /// All but those of the constructor, of tokens that take a fee and of lacking gas, which have tests of their own.
    function _errors() private pure returns (bytes4[] memory selectors) {
        bytes4[23] memory all = [
            IPaymentChannels.InvalidPayee.selector,
            ITokenCustody.InvalidToken.selector,
            IPaymentChannels.ZeroDeposit.selector,
            IPaymentChannels.DepositOverflow.selector,
            IPaymentChannels.ChannelAlreadyExists.selector,
            IPaymentChannels.ChannelNotFound.selector,
            IPaymentChannels.ChannelFinalized.selector,
            IPaymentChannels.NotPayer.selector,
            IPaymentChannels.NotPayee.selector,
            IPaymentChannels.AmountNotIncreasing.selector,
            IPaymentChannels.AmountBelowSettled.selector,
            IPaymentChannels.AmountExceedsEntitlement.selector,
            IPaymentChannels.AmountExceedsDeposit.selector,
            ITokenCustody.InvalidSignature.selector,
            IPaymentChannels.NonceMismatch.selector,
            ITokenCustody.AuthorizationExpired.selector,
            IPaymentChannels.CloseAlreadyRequested.selector,
            IPaymentChannels.CloseNotRequested.selector,
            IPaymentChannels.CloseNotReady.selector,
            ITokenCustody.NoCredit.selector,
            BlocklistToken.Blocked.selector,
            GasToken.AuthorizationUsedAlready.selector,
            GasToken.InvalidAuthorizationSignature.selector
        ];
        selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) selectors[i] = all[i];
    }

    function _name(bytes4 selector) private pure returns (string memory) {
        bytes memory digits = "0123456789abcdef";
        bytes memory name = new bytes(8);
        for (uint256 i = 0; i < 8; ++i) name[i] = digits[uint8(selector[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
        return string(name);
    }
}
