#include "layers/node.h"

#include "kernels/conv2d/conv2d.h"
#include "kernels/conv_relu_pool/conv_relu_pool.h"
#include "kernels/linear/linear.h"
#include "kernels/maxpool/maxpool.h"
#include "kernels/relu/relu.h"

namespace bauta {
namespace {

class Conv2dNode final : public Node {
 public:
  Conv2dNode(const Layer& layer, Size3 in, Size3 out, int parameter)
      : Node(in, out, parameter), layer_(layer) {}

  std::size_t workspace(const Context& context, int batch, Pass pass) const override {
    return conv2d_workspace(context, shape(batch), pass);
  }
  Status forward(const Context& context, int batch, const NodeArrays& a) const override {
    return conv2d_forward(context, shape(batch), a.x, a.w, a.bias, a.y);
  }
  Status dgrad(const Context& context, int batch, const NodeArrays& a) const override {
    return conv2d_dgrad(context, shape(batch), a.dy, a.w, a.dx);
  }
  Status wgrad(const Context& context, const Shards& shards, const NodeArrays& a) const override {
    return conv2d_wgrad(context, shape(shards.batch()), shards, a.x, a.dy, a.dw, a.dbias);
  }

 private:
  Conv2dShape shape(int batch) const {
    return {batch,         input().height, input().width, input().channels, output().channels,
            layer_.kernel, layer_.stride,  layer_.pad,    output().height,  output().width};
  }
  Layer layer_;
};

class ConvReluPoolNode final : public Node {
 public:
  ConvReluPoolNode(const Layer& conv, Size3 in, Size3 out, int parameter)
      : Node(in, out, parameter), conv_(conv) {}

  Index saved_bytes() const override {
    return Index{output().height} * output().width * shape(1).argmax_stride();
  }
  std::size_t workspace(const Context& context, int batch, Pass pass) const override {
    return conv_relu_pool_workspace(context, shape(batch), pass);
  }
  Status forward(const Context& context, int batch, const NodeArrays& a) const override {
    return conv_relu_pool_forward(context, shape(batch), a.x, a.w, a.bias, a.y, a.saved);
  }
  Status dgrad(const Context& context, int batch, const NodeArrays& a) const override {
    return conv_relu_pool_dgrad(context, shape(batch), a.dy, a.y, a.saved, a.w, a.dx);
  }
  Status wgrad(const Context& context, const Shards& shards, const NodeArrays& a) const override {
    return conv_relu_pool_wgrad(context, shape(shards.batch()), shards, a.x, a.dy, a.y, a.saved, a.dw,
                                a.dbias);
  }

 private:
  ConvReluPoolShape shape(int batch) const {
    return {batch,        input().height, input().width, input().channels, output().channels,
            conv_.kernel, conv_.stride,   conv_.pad,     output().height,  output().width};
  }
  Layer conv_;
};

class ReluNode final : public Node {
 public:
  explicit ReluNode(Size3 size) : Node(size, size, -1) {}

  bool in_place() const override { return true; }
  Status forward(const Context& context, int batch, const NodeArrays& a) const override {
    return relu_forward(context, size(batch), a.x, a.y);
  }
  Status dgrad(const Context& context, int batch, const NodeArrays& a) const override {
    return relu_dgrad(context, size(batch), a.dy, a.y, a.dx);
  }

 private:
  Index size(int batch) const { return Index{batch} * output().count(); }
};

class MaxPoolNode final : public Node {
 public:
  MaxPoolNode(const Layer& layer, Size3 in, Size3 out) : Node(in, out, -1), layer_(layer) {}

  Index saved_bytes() const override { return output().count(); }
  Status forward(const Context& context, int batch, const NodeArrays& a) const override {
    return maxpool_forward(context, shape(batch), a.x, a.y, a.saved);
  }
  Status dgrad(const Context& context, int batch, const NodeArrays& a) const override {
    return maxpool_dgrad(context, shape(batch), a.dy, a.saved, a.dx);
  }

 private:
  MaxPoolShape shape(int batch) const {
    return {batch,         input().height, input().width,   input().channels,
            layer_.kernel, layer_.stride,  output().height, output().width};
  }
  Layer layer_;
};

class LinearNode final : public Node {
 public:
  LinearNode(Size3 in, Size3 out, int parameter, RelusBeside relus)
      : Node(in, out, parameter), relus_(relus) {}

  std::size_t workspace(const Context& context, int batch, Pass pass) const override {
    return linear_workspace(context, shape(batch), pass);
  }
  Status forward(const Context& context, int batch, const NodeArrays& a) const override {
    return linear_forward(context, shape(batch), a.x, a.w, a.bias, a.y);
  }
  Status dgrad(const Context& context, int batch, const NodeArrays& a) const override {
    return linear_dgrad(context, shape(batch), a.dy, a.w, a.x, a.dx);
  }
  Status wgrad(const Context& context, const Shards& shards, const NodeArrays& a) const override {
    return linear_wgrad(context, shape(shards.batch()), shards, a.x, a.dy, a.dw, a.dbias);
  }

 private:
  LinearShape shape(int batch) const {
    return {batch, input().count(), output().channels, relus_.before, relus_.after};
  }
  RelusBeside relus_;
};

}  // namespace

std::unique_ptr<Node> make_node(const Layer& layer, Size3 in, Size3 out, int parameter, RelusBeside relus) {
  switch (layer.kind) {
    case LayerKind::conv2d:
      return std::make_unique<Conv2dNode>(layer, in, out, parameter);
    case LayerKind::relu:
      return std::make_unique<ReluNode>(in);
    case LayerKind::maxpool:
      return std::make_unique<MaxPoolNode>(layer, in, out);
    case LayerKind::linear:
      return std::make_unique<LinearNode>(in, out, parameter, relus);
  }
  return nullptr;
}

std::unique_ptr<Node> make_conv_relu_pool_node(const Layer& conv, Size3 in, Size3 out, int parameter) {
  return std::make_unique<ConvReluPoolNode>(conv, in, out, parameter);
}

}  // namespace bauta
