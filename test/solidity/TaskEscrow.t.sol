// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TaskEscrow} from "../../contracts/TaskEscrow.sol";
import {ITaskEscrow} from "../../contracts/interfaces/ITaskEscrow.sol";
import {ITokenCustody} from "../../contracts/interfaces/ITokenCustody.sol";
import {GasToken} from "../../contracts/test/GasToken.sol";
import {OddCondition} from "../../contracts/test/OddCondition.sol";
import {Tasks} from "./utils/Tasks.sol";

contract TaskEscrowTest is Tasks {
    uint256 private constant START = 1_700_000_000;
    uint256 private constant MAX_AMOUNT = type(uint104).max;

    TaskEscrow private escrow;
    GasToken private token;
    OddCondition private condition;
    address private client;
    address private provider;
    address private stranger;

    function setUp() public {
        vm.warp(START);
        (escrow, token, condition) = (new TaskEscrow(), new GasToken(), new OddCondition());
        (client, provider, stranger) = (_newParty("client"), _newParty("provider"), _newParty("stranger"));
        token.mint(client, MAX_AMOUNT);
        vm.prank(client);
        token.approve(address(escrow), type(uint256).max);
    }

    /// Releases by the client and by evidence, in any order, then a refund: to the last base unit.
    function testFuzz_INV16_whatIsNotReleasedGoesBack(uint256 amount, uint256[4] memory totals, uint256 ways) public {
        ITaskEscrow.Task memory task = _fund(bound(amount, 1, MAX_AMOUNT), 0);
        uint256 released = 0;
        for (uint256 i = 0; i < 4 && released < task.amount; ++i) {
            uint256 total = bound(totals[i], 0, task.amount);
            bool isClaim = (ways >> i) & 1 == 1;
            // What the condition says is part of its parameters, so a claim is for what was agreed.
            if (isClaim) total = 0;
            if (total <= released) {
                vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.ReleaseNotIncreasing.selector, total, released));
                _release(task, total, isClaim);
                continue;
            }
            _release(task, total, isClaim);
            released = total;
        }
        bytes32 id = _taskIdOf(task, address(escrow));
        assertTrue(escrow.getTask(id).closed == (released == task.amount), "closed");
        assertEq(token.balanceOf(provider), released, "released");
        if (released == task.amount)
            vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskAlreadyClosed.selector, id));
        vm.prank(provider);
        escrow.refund(task);
        assertEq(token.balanceOf(client), MAX_AMOUNT - released, "refunded");
        assertEq(token.balanceOf(address(escrow)), 0, "left");
    }

    function testFuzz_INV16_claimAndTimedRefundAreDisjoint(uint256 amount, uint256 due, uint256 time) public {
        amount = bound(amount, 2, MAX_AMOUNT);
        due = bound(due, 1, amount - 1);
        ITaskEscrow.Task memory task = _fund(amount, due);
        time = bound(time, START, task.deadline + 10 days);
        vm.warp(time);
        bool isOver = time > task.deadline;

        if (isOver) vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.DeadlinePassed.selector, task.deadline));
        vm.prank(stranger);
        escrow.claim(task, _parameters(due), "");
        assertEq(token.balanceOf(provider), isOver ? 0 : due, "claimed");

        bytes memory early = abi.encodeWithSelector(
            ITaskEscrow.NotProvider.selector,
            stranger,
            provider,
            task.deadline
        );
        if (!isOver) vm.expectRevert(early);
        vm.prank(stranger);
        escrow.refund(task);
        assertEq(token.balanceOf(client), MAX_AMOUNT - (isOver ? 0 : amount), "refunded");
    }

    /// A value above the amount counts as the amount, whatever the condition says.
    function testFuzz_INV16_claim_neverExceedsTheAmount(uint256 amount, uint256 said) public {
        amount = bound(amount, 1, MAX_AMOUNT);
        said = bound(said, 1, type(uint256).max);
        ITaskEscrow.Task memory task = _fund(amount, said);
        escrow.claim(task, _parameters(said), "");
        assertEq(token.balanceOf(provider), said < amount ? said : amount, "claimed");
    }

    function testFuzz_INV15_fundWithAuthorization_revertsWhen_anyTermIsChanged(uint256 field, uint256 salt) public {
        ITaskEscrow.Task memory task = _newTask(1000, 10, salt);
        bytes memory signature = _signReceive(task, address(escrow), START + 1 days);
        ITaskEscrow.Task memory changed = _newTask(1000, 10, salt);
        field = field % 6;
        if (field == 0) changed.provider = stranger;
        else if (field == 1) changed.amount = 999;
        else if (field == 2) changed.condition = stranger;
        else if (field == 3) changed.parametersHash = keccak256("others");
        else if (field == 4) changed.deadline += 1;
        else changed.salt = keccak256(abi.encode(salt));
        vm.expectRevert(abi.encodeWithSelector(GasToken.InvalidAuthorizationSignature.selector, client));
        escrow.fundWithAuthorization(changed, 0, START + 1 days, signature);

        bytes32 id = escrow.fundWithAuthorization(task, 0, START + 1 days, signature);
        assertEq(uint256(id), uint256(_taskIdOf(task, address(escrow))), "id");
    }

    function testFuzz_INV13_releaseSignature_isForItsTaskTotalAndTime(
        uint256 total,
        uint256 other,
        uint256 time
    ) public {
        ITaskEscrow.Task memory task = _fund(1000, 0);
        total = bound(total, 1, 1000);
        other = bound(other, 1, 1000);
        (bytes32 id, uint64 deadline) = (_taskIdOf(task, address(escrow)), uint64(START + 1 hours));
        bytes memory signature = _signRelease(client, address(escrow), id, total, deadline);
        vm.warp(bound(time, START, deadline + 1));

        bytes memory expired = abi.encodeWithSelector(ITokenCustody.AuthorizationExpired.selector, deadline);
        bytes memory unsigned = abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, client);
        bool isLate = currentTime() > deadline;
        if (isLate || other != total) vm.expectRevert(isLate ? expired : unsigned);
        escrow.releaseWithAuthorization(task, uint128(other), deadline, signature);
        assertEq(token.balanceOf(provider), isLate || other != total ? 0 : total, "released");
    }

    function testFuzz_INV13_refundSignature_isForItsTaskOnly(uint256 salt) public {
        ITaskEscrow.Task memory task = _fund(1000, 0);
        ITaskEscrow.Task memory other = _newTask(1000, 0, bound(salt, 2, type(uint256).max));
        vm.prank(client);
        escrow.fund(other);
        uint64 deadline = uint64(START + 1 hours);
        bytes memory signature = _signRefund(provider, address(escrow), _taskIdOf(task, address(escrow)), deadline);

        vm.expectRevert(abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, provider));
        escrow.refundWithAuthorization(other, deadline, signature);
        vm.prank(stranger);
        escrow.refundWithAuthorization(task, deadline, signature);
        assertTrue(escrow.getTask(_taskIdOf(task, address(escrow))).closed, "closed");
    }

    function testFuzz_fund_takesDeadlinesOfAYear(uint256 deadline) public {
        ITaskEscrow.Task memory task = _newTask(1000, 0, 1);
        task.deadline = uint64(bound(deadline, START - 10, START + 365 days + 10));
        bool isGood = task.deadline >= START && task.deadline <= START + 365 days;
        bytes memory refused = abi.encodeWithSelector(
            ITaskEscrow.InvalidDeadline.selector,
            task.deadline,
            START,
            START + 365 days
        );
        if (!isGood) vm.expectRevert(refused);
        vm.prank(client);
        escrow.fund(task);
    }

    /* ACTING */

    function _parameters(uint256 due) private pure returns (bytes memory) {
        return abi.encode(0, due);
    }

    function _newTask(uint256 amount, uint256 due, uint256 salt) private view returns (ITaskEscrow.Task memory) {
        return
            ITaskEscrow.Task(
                client,
                provider,
                address(token),
                uint128(amount),
                address(condition),
                keccak256(_parameters(due)),
                uint64(START + 7 days),
                bytes32(salt)
            );
    }

    function _fund(uint256 amount, uint256 due) private returns (ITaskEscrow.Task memory task) {
        task = _newTask(amount, due, 1);
        vm.prank(client);
        escrow.fund(task);
    }

    function _release(ITaskEscrow.Task memory task, uint256 total, bool isClaim) private {
        if (isClaim) return escrow.claim(task, _parameters(0), "");
        vm.prank(client);
        escrow.release(task, uint128(total));
    }
}
