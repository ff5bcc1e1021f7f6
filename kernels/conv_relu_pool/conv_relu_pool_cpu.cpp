#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"
#include "kernels/conv_relu_pool/conv_relu_pool_dgrad.h"
#include "kernels/conv_relu_pool/conv_relu_pool_forward.h"
#include "kernels/conv_relu_pool/conv_relu_pool_wgrad.h"

namespace bauta::BAUTA_ISA {
namespace {

using namespace conv_relu_pool;

std::size_t workspace(const Context& context, const ConvReluPoolShape& s) {
  const int threads = thread_count(context);
  const Index forward_size = ForwardPlan(s, threads).size;
  const Index dgrad_size = DgradPlan(s, threads).size;
  const Index wgrad_size = WgradPlan(s, threads).size;
  Index size = forward_size;
  if (dgrad_size > size) size = dgrad_size;
  if (wgrad_size > size) size = wgrad_size;
  return static_cast<std::size_t>(size) * sizeof(float);
}

}  // namespace

const ConvReluPoolBackend conv_relu_pool_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_ISA
