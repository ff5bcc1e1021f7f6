#pragma once

// kernels/cuda/device.h for the host's compiler: the same words, checked and counted.

#include "kernels/simt/launch.h"
#include "kernels/simt/words.h"

namespace bauta::simt {

template <class T>
using Global = Pointer<T>;
template <class T>
using Ptr = Pointer<T>;

template <class T>
Pointer<T> global(T* pointer, Index elements) {
  const std::size_t bytes = pointer == nullptr ? 0 : static_cast<std::size_t>(elements) * sizeof(T);
  auto* begin = const_cast<std::remove_const_t<T>*>(pointer);
  return Pointer<T>({reinterpret_cast<std::byte*>(begin), bytes, 0, nullptr, {}});
}

template <class Array>
Array dynamic_shared(std::size_t offset = 0, runtime::Where where = runtime::Where::current()) {
  runtime::Thread& thread = *runtime::current;
  return Array(
      thread.block->dynamic(thread, offset, Array::kBytes, sizeof(typename Array::ElementType), where));
}

template <class Vector, class T>
Vector load(const Pointer<T>& p) {
  return runtime::load<Vector>(p);
}

template <class Vector, class T>
void store(const Pointer<T>& p, const Vector& value) {
  runtime::store(p, value);
}

/// What is offered to kernels.
inline Status kernel_limits(KernelLimits& limits) {
  limits = runtime::kernel_limits;
  return {};
}

using Launch = runtime::Shape;

template <class... Parameters, class... Arguments>
Status launch(const Context& context, const Launch& launch, void (*kernel)(Parameters...),
              const Arguments&... arguments) {
  static_assert((!std::is_pointer_v<Arguments> && ...), "arrays go through global(pointer, elements)");
  return runtime::launch(context, launch, [=] { kernel(Parameters(arguments)...); });
}

template <class Call>
Status launch_vendor(const Context&, const char*, const Work&, const Call& call) {
  return call();
}

}  // namespace bauta::simt
