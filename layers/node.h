#pragma once

#include <cstdint>
#include <memory>

#include "kernels/common.h"
#include "layers/model.h"

namespace bauta {

/// The arrays of one node, all [N, height, width, channels] or a parameter's; null where there is none.
struct NodeArrays {
  const float* x = nullptr;
  float* y = nullptr;
  std::uint8_t* saved = nullptr;  ///< what forward keeps for backward besides x and y; null: inference
  const float* w = nullptr;
  const float* bias = nullptr;
  // Backward alone.
  const float* dy = nullptr;
  float* dx = nullptr;  ///< null: nobody asks for it
  float* dw = nullptr;
  float* dbias = nullptr;
};

/// One op of a graph: sizes that are fixed when the graph is made, and the calls into kernels/.
class Node {
 public:
  virtual ~Node() = default;

  Size3 input() const { return in_; }
  Size3 output() const { return out_; }

  /// Number of the layer's weight among the network's parameters, its bias being the next; -1 without.
  int parameter() const { return parameter_; }

  /// Whether y takes x's place in memory, and dx dy's.
  virtual bool in_place() const { return false; }
  /// Bytes kept for backward per sample besides x and y.
  virtual Index saved_bytes() const { return 0; }
  /// Bytes of workspace that a pass needs at this batch size.
  virtual std::size_t workspace(const Context&, int /*batch*/, Pass) const { return 0; }

  virtual Status forward(const Context&, int batch, const NodeArrays&) const = 0;
  /// Overwrites dx, which is not null.
  virtual Status dgrad(const Context&, int batch, const NodeArrays&) const = 0;
  /// Overwrites dw and dbias; asked only of nodes with parameters. May go on while the dgrad of this node and
  /// those before it do, with a workspace of its own.
  virtual Status wgrad(const Context&, const Shards&, const NodeArrays&) const { return {}; }

 protected:
  Node(Size3 in, Size3 out, int parameter) : in_(in), out_(out), parameter_(parameter) {}
  Node(const Node&) = default;
  Node& operator=(const Node&) = default;

 private:
  Size3 in_;   // what is in memory: of the layer's input, the region that is read
  Size3 out_;  // of the layer's output, the region that is demanded
  int parameter_;
};

/// Which ReLUs a linear layer takes on: see LinearShape (kernels/linear/linear.h).
struct RelusBeside {
  bool before = false;
  bool after = false;
};

/// A node for `layer`, of which the region `out` is demanded, on an input of which `in` is in memory.
std::unique_ptr<Node> make_node(const Layer& layer, Size3 in, Size3 out, int parameter, RelusBeside relus);

/// A node for a convolution, a ReLU and a 2x2 max-pool in one.
std::unique_ptr<Node> make_conv_relu_pool_node(const Layer& conv, Size3 in, Size3 out, int parameter);

}  // namespace bauta
