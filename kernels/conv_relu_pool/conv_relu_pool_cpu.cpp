#include "kernels/conv_relu_pool/conv_relu_pool_backends.h"
#include "kernels/conv_relu_pool/conv_relu_pool_dgrad.h"
#include "kernels/conv_relu_pool/conv_relu_pool_forward.h"
#include "kernels/conv_relu_pool/conv_relu_pool_wgrad.h"

namespace bauta::BAUTA_ISA {
namespace {

using namespace conv_relu_pool;

std::size_t workspace(const Context& context, const ConvReluPoolShape& s, Pass pass) {
  const int threads = thread_count(context);
  const Index floats = pass == Pass::forward ? ForwardPlan(s, threads).size
                       : pass == Pass::dgrad ? DgradPlan(s, threads).size
                                             : WgradPlan(s, threads).size;
  return static_cast<std::size_t>(floats) * sizeof(float);
}

}  // namespace

const ConvReluPoolBackend conv_relu_pool_backend = {forward, dgrad, wgrad, workspace};

}  // namespace bauta::BAUTA_ISA
