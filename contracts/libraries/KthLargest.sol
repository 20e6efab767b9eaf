// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The k-th largest of a few values
library KthLargest {
    /// @notice Orders `values` from the largest down as far as needed.
    /// @param values At most a few hundred; their order is changed
    /// @param k From 1 for the largest to `values.length` for the smallest
    /// @param limit The most that is returned
    /// @return The k-th largest, at most `limit`; 0 when there is no k-th
    function select(uint256[] memory values, uint256 k, uint128 limit) internal pure returns (uint128) {
        if (k == 0 || k > values.length) return 0;
        for (uint256 place = 0; place < k; ++place) {
            uint256 largest = place;
            for (uint256 i = place + 1; i < values.length; ++i) {
                if (values[i] > values[largest]) largest = i;
            }
            (values[place], values[largest]) = (values[largest], values[place]);
        }
        uint256 value = values[k - 1];
        // Within 128 bits, since it is below a limit of 128 bits.
        return value < limit ? uint128(value) : limit;
    }
}
