#pragma once

#include <array>

#include "kernels/softmax_xent/softmax_xent.h"

namespace bauta {

/// Shapes that tests and bench share.
inline constexpr std::array kSoftmaxXentCases = {
    SoftmaxXentShape{32, 2},    // the study's
    SoftmaxXentShape{1, 2},     // one face
    SoftmaxXentShape{65, 10},   // one past a block of rows
    SoftmaxXentShape{7, 1001},  // many classes
    SoftmaxXentShape{5, 1},     // one class: no loss, no gradient
};

}  // namespace bauta
