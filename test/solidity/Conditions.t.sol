// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AttestationCondition} from "../../contracts/conditions/AttestationCondition.sol";
import {HashlockCondition} from "../../contracts/conditions/HashlockCondition.sol";
import {KthCondition} from "../../contracts/conditions/KthCondition.sol";
import {TickCondition} from "../../contracts/conditions/TickCondition.sol";
import {OddCondition} from "../../contracts/test/OddCondition.sol";
import {Tasks} from "./utils/Tasks.sol";

contract ConditionsTest is Tasks {
    uint64 private constant JUDGE_BY = 1_800_000_000;
    bytes32 private constant SPEC = keccak256("specification");
    bytes32 private constant DELIVERABLE = keccak256("deliverable");
    uint256 private constant EVALUATORS = 5;

    AttestationCondition private attestation;
    HashlockCondition private hashlock;
    TickCondition private ticks;
    KthCondition private kth;
    OddCondition private odd;
    address[] private evaluators;

    function setUp() public {
        (attestation, hashlock, ticks) = (new AttestationCondition(), new HashlockCondition(), new TickCondition());
        (kth, odd) = (new KthCondition(), new OddCondition());
        string[EVALUATORS] memory names = ["Ann", "Bea", "Cai", "Dan", "Eve"];
        for (uint256 i = 0; i < EVALUATORS; ++i) evaluators.push(_newParty(names[i]));
    }

    /* HASHLOCK */

    function testFuzz_hashlock_wantsThePreimage(
        bytes32 id,
        uint128 amount,
        bytes32 preimage,
        bytes32 other
    ) public view {
        bytes memory parameters = abi.encode(sha256(abi.encode(preimage)));
        assertEq(hashlock.amountDue(id, amount, parameters, abi.encode(preimage)), amount, "the preimage");
        vm.assume(other != preimage);
        assertEq(hashlock.amountDue(id, amount, parameters, abi.encode(other)), 0, "another");
    }

    /* ATTESTATIONS */

    function testFuzz_attestation_isWhatKOfThemReach(
        bytes32 id,
        uint128 amount,
        uint128[EVALUATORS] memory said,
        uint256 k,
        uint256 silent
    ) public view {
        k = bound(k, 0, EVALUATORS);
        (bytes memory evidence, uint256[] memory words) = _evidence(id, said, silent);
        uint256 expected = _reachedBy(words, k);
        if (expected > amount) expected = amount;
        assertEq(attestation.amountDue(id, amount, _parameters(k), evidence), expected, "due");
    }

    function testFuzz_INV6_attestation_moreEvidenceNeverLowers(
        bytes32 id,
        uint128[EVALUATORS] memory said,
        uint256 k,
        uint256 silent,
        uint256 seed
    ) public view {
        k = bound(k, 1, EVALUATORS);
        (bytes memory evidence, ) = _evidence(id, said, silent);
        uint128 less = attestation.amountDue(id, type(uint128).max, _parameters(k), evidence);
        bytes memory more = _withMore(id, evidence, seed);
        assertTrue(attestation.amountDue(id, type(uint128).max, _parameters(k), more) >= less, "lowered");
    }

    function testFuzz_INV13_attestation_isForItsPaymentContractAndChain(
        bytes32 id,
        bytes32 other,
        uint128 amount
    ) public {
        vm.assume(id != other && amount > 0);
        uint128[EVALUATORS] memory said;
        for (uint256 i = 0; i < EVALUATORS; ++i) said[i] = amount;
        (bytes memory evidence, ) = _evidence(id, said, 0);
        bytes memory parameters = _parameters(1);
        assertEq(attestation.amountDue(id, amount, parameters, evidence), amount, "its own");
        assertEq(attestation.amountDue(other, amount, parameters, evidence), 0, "another payment");
        assertEq((new AttestationCondition()).amountDue(id, amount, parameters, evidence), 0, "another contract");
        vm.chainId(block.chainid + 1);
        assertEq(attestation.amountDue(id, amount, parameters, evidence), 0, "another chain");
    }

    function testFuzz_attestation_countsUpToJudgeBy(bytes32 id, uint128 amount, uint64 issuedAt) public view {
        vm.assume(amount > 0);
        AttestationCondition.Attestation[] memory given = new AttestationCondition.Attestation[](1);
        Verdict memory verdict = Verdict(id, SPEC, DELIVERABLE, amount, issuedAt);
        given[0] = _attestation(0, amount, issuedAt, _signVerdict(evaluators[0], address(attestation), verdict));
        uint256 expected = issuedAt <= JUDGE_BY ? amount : 0;
        assertEq(attestation.amountDue(id, amount, _parameters(1), abi.encode(DELIVERABLE, given)), expected, "due");
    }

    function _parameters(uint256 k) private view returns (bytes memory) {
        return abi.encode(evaluators, uint8(k), SPEC, JUDGE_BY);
    }

    /// What each evaluator says, except those whose bit is set in `silent`.
    function _evidence(
        bytes32 id,
        uint128[EVALUATORS] memory said,
        uint256 silent
    ) private view returns (bytes memory evidence, uint256[] memory words) {
        AttestationCondition.Attestation[] memory given = new AttestationCondition.Attestation[](EVALUATORS);
        words = new uint256[](EVALUATORS);
        for (uint256 i = 0; i < EVALUATORS; ++i) {
            bytes memory signature = "none";
            if ((silent >> i) & 1 == 0) {
                words[i] = said[i];
                Verdict memory verdict = Verdict(id, SPEC, DELIVERABLE, said[i], JUDGE_BY);
                signature = _signVerdict(evaluators[i], address(attestation), verdict);
            }
            given[i] = _attestation(i, said[i], JUDGE_BY, signature);
        }
        evidence = abi.encode(DELIVERABLE, given);
    }

    /// The same with another word of one evaluator, good or bad, at any place.
    function _withMore(bytes32 id, bytes memory evidence, uint256 seed) private view returns (bytes memory) {
        (, AttestationCondition.Attestation[] memory given) = abi.decode(
            evidence,
            (bytes32, AttestationCondition.Attestation[])
        );
        AttestationCondition.Attestation[] memory more = new AttestationCondition.Attestation[](given.length + 1);
        (uint256 place, uint256 who) = (seed % more.length, derive(seed, 0) % EVALUATORS);
        (uint128 amount, uint64 issuedAt) = (uint128(derive(seed, 1)), JUDGE_BY + uint64(seed % 2));
        Verdict memory verdict = Verdict(id, seed % 3 == 0 ? bytes32(0) : SPEC, DELIVERABLE, amount, issuedAt);
        more[place] = _attestation(who, amount, issuedAt, _signVerdict(evaluators[who], address(attestation), verdict));
        for (uint256 i = 0; i < given.length; ++i) more[i < place ? i : i + 1] = given[i];
        return abi.encode(DELIVERABLE, more);
    }

    /* TICKS */

    function testFuzz_INV14_ticks_payWhatWasReleased(
        bytes32 id,
        bytes32 last,
        uint256 length,
        uint256 n,
        uint128 tickAmount,
        uint128 amount
    ) public view {
        length = bound(length, 1, 45);
        n = bound(n, 0, length);
        bytes memory parameters = abi.encode(_before(id, last, length), tickAmount, uint32(length));
        bytes32 x = _before(id, last, length - n);
        uint256 expected = n * tickAmount;
        if (expected > amount) expected = amount;
        assertEq(ticks.amountDue(id, amount, parameters, abi.encode(uint32(n), x)), expected, "released");
        if (n < length)
            assertEq(ticks.amountDue(id, amount, parameters, abi.encode(uint32(n + 1), x)), 0, "not released");
        assertEq(ticks.amountDue(derive32(id), amount, parameters, abi.encode(uint32(n), x)), 0, "elsewhere");
    }

    function testFuzz_ticks_endWhereAgreed(bytes32 id, bytes32 last, uint256 length, uint256 agreed) public view {
        length = bound(length, 1, 30);
        agreed = bound(agreed, 0, length);
        bytes memory parameters = abi.encode(_before(id, last, length), uint128(1), uint32(agreed));
        uint256 expected = agreed == length ? length : 0;
        assertEq(ticks.amountDue(id, 100, parameters, abi.encode(uint32(length), last)), expected, "the whole chain");
    }

    /// The value `steps` before `x`.
    function _before(bytes32 id, bytes32 x, uint256 steps) private pure returns (bytes32) {
        for (uint256 i = 0; i < steps; ++i) x = keccak256(abi.encodePacked(x, id));
        return x;
    }

    function derive32(bytes32 id) private pure returns (bytes32) {
        return keccak256(abi.encode(id));
    }

    /* COMBINATIONS */

    function testFuzz_kth_isWhatKOfThemReach(
        bytes32 id,
        uint128 amount,
        uint256[8] memory values,
        uint256 count,
        uint256 k,
        uint256 broken
    ) public view {
        count = bound(count, 1, 8);
        k = bound(k, 0, count + 1);
        KthCondition.Child[] memory children = new KthCondition.Child[](count);
        uint256[] memory words = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            bool isBroken = (broken >> i) & 1 == 1;
            words[i] =
                isBroken
                    ? 0
                    : values[i] > amount
                        ? amount
                        : values[i];
            children[i] = KthCondition.Child(address(odd), abi.encode(isBroken ? 1 : 0, values[i]));
        }
        uint256 expected = k > count ? 0 : _reachedBy(words, k);
        assertEq(kth.amountDue(id, amount, abi.encode(uint8(k), children), ""), expected, "due");
    }

    function test_kth_takesEightChildren() public view {
        for (uint256 count = 7; count <= 9; ++count) {
            KthCondition.Child[] memory children = new KthCondition.Child[](count);
            for (uint256 i = 0; i < count; ++i) children[i] = KthCondition.Child(address(odd), abi.encode(0, 5));
            uint256 due = kth.amountDue(0, 10, abi.encode(uint8(1), children), abi.encode(new bytes[](0)));
            assertEq(due, count <= 8 ? 5 : 0, "due");
        }
    }
}
