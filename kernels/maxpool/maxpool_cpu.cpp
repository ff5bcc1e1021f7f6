#include "kernels/maxpool/maxpool_backends.h"
#include "kernels/simd.h"

namespace bauta::BAUTA_ISA {
namespace {

// One output position; x is the window's first. As PyTorch does, a later NaN also replaces an earlier one.
void forward_position(const MaxPoolShape& s, const float* x, float* y, std::uint8_t* argmax) {
  for (int c = 0; c < s.channels; c += kWidth) {
    const int lanes = smaller(kWidth, s.channels - c);
    Vec best = broadcast(-__builtin_inff());
    IntVec place{};
    for (int k = 0; k < s.window * s.window; ++k) {
      const Index from = Index{k / s.window} * s.in_w + k % s.window;
      const Vec value = load(x + from * s.channels + c, lanes);
      const IntVec wins = (value > best) | (value != value);
      best = wins ? value : best;
      place = wins ? IntVec{} + k : place;
    }
    store(y + c, best, lanes);
    if (argmax != nullptr) store_bytes(argmax + c, place, lanes);
  }
}

// One index takes a row of outputs, a vector of channels at a time. x is read once where windows do not
// overlap: bound by memory.
Status forward(const Context& context, const MaxPoolShape& s, const float* x, float* y,
               std::uint8_t* argmax) {
  parallel_for(context, s.batch * s.out_h, [&](int row, int) {
    const Index n = row / s.out_h;
    const Index i = Index{row % s.out_h} * s.stride;
    for (Index q = 0; q < s.out_w; ++q) {
      const Index out = (Index{row} * s.out_w + q) * s.channels;
      forward_position(s, x + ((n * s.in_h + i) * s.in_w + q * s.stride) * s.channels, y + out,
                       argmax == nullptr ? nullptr : argmax + out);
    }
  });
  return {};
}

// Adds the gradients of one position's channels to those inputs of row `r` of its window that won.
void dgrad_position(const MaxPoolShape& s, int r, const float* dy, const std::uint8_t* argmax, float* dx) {
  for (int c = 0; c < s.channels; c += kWidth) {
    const int lanes = smaller(kWidth, s.channels - c);
    const Vec g = load(dy + c, lanes);
    const IntVec place = load_bytes(argmax + c, lanes);
    for (int k = 0; k < s.window; ++k) {
      float* to = dx + Index{k} * s.channels + c;
      store(to, load(to, lanes) + (place == r * s.window + k ? g : zero()), lanes);
    }
  }
}

// One index owns a row of dx and takes from every window over it, in the windows' order, so that no two
// threads add to the same place. dy and argmax are read once per row of a window: bound by memory.
Status dgrad(const Context& context, const MaxPoolShape& s, const float* dy, const std::uint8_t* argmax,
             float* dx) {
  const Index row_size = Index{s.in_w} * s.channels;
  parallel_for(context, s.batch * s.in_h, [&](int row, int) {
    const Index n = row / s.in_h;
    const int i = row % s.in_h;
    float* dx_row = dx + row * row_size;
    for (Index k = 0; k < row_size; ++k) dx_row[k] = 0;
    const int first = i < s.window ? 0 : (i - s.window) / s.stride + 1;
    for (int p = first; p < s.out_h && p * s.stride <= i; ++p) {
      for (Index q = 0; q < s.out_w; ++q) {
        const Index out = ((n * s.out_h + p) * s.out_w + q) * s.channels;
        dgrad_position(s, i - p * s.stride, dy + out, argmax + out, dx_row + q * s.stride * s.channels);
      }
    }
  });
  return {};
}

}  // namespace

const MaxPoolBackend maxpool_backend = {forward, dgrad};

}  // namespace bauta::BAUTA_ISA
