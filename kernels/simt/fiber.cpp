#include "kernels/simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#if defined(__has_feature)
#define BAUTA_HAS(feature) __has_feature(feature)
#else
#define BAUTA_HAS(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || BAUTA_HAS(address_sanitizer)
#define BAUTA_ASAN(...) __VA_ARGS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define BAUTA_ASAN(...)
#endif
#if defined(__SANITIZE_THREAD__) || BAUTA_HAS(thread_sanitizer)
#define BAUTA_TSAN(...) __VA_ARGS__
#include <sanitizer/tsan_interface.h>
#else
#define BAUTA_TSAN(...)
#endif

// bauta_simt_switch(keep, go): pushes the registers that a call must preserve, writes the stack pointer to
// *keep, takes the stack pointer `go` and pops them again: it returns on the other stack.
extern "C" void bauta_simt_switch(void** keep, void* go);

#if defined(__x86_64__)
asm(R"(
.pushsection .text
.globl bauta_simt_switch
.type bauta_simt_switch, @function
bauta_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size bauta_simt_switch, . - bauta_simt_switch
.popsection
)");
#elif defined(__aarch64__)
asm(R"(
.pushsection .text
.globl bauta_simt_switch
.type bauta_simt_switch, %function
bauta_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size bauta_simt_switch, . - bauta_simt_switch
.popsection
)");
#else
#error "simt needs bauta_simt_switch for this processor; configure with -DBAUTA_SIMT=OFF"
#endif

namespace bauta::simt::runtime {
namespace {

// The fiber that is entered for the first time: begin() has no other way to learn of it.
thread_local Fiber* entering = nullptr;

// The words that bauta_simt_switch pops when it first goes to a fiber: zeros, but for the address that it
// returns to. On x86-64 they are 6 registers, that address, and 0 as the one that begin() returns to.
#if defined(__x86_64__)
constexpr std::size_t kFrameWords = 8;
constexpr std::size_t kAddressWord = 6;
#else
constexpr std::size_t kFrameWords = 20;
constexpr std::size_t kAddressWord = 11;
#endif

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

Fiber::Fiber(void (*main)(void*), void* argument) : main_(main), argument_(argument) {
  void* mapping = mmap(nullptr, page_bytes() + kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, page_bytes(), PROT_NONE) != 0) {
    std::perror("simt: no memory for the stack of a thread");
    std::abort();
  }
  mapping_ = static_cast<std::byte*>(mapping);
  stack_ = mapping_ + page_bytes();
  auto* frame = reinterpret_cast<std::uintptr_t*>(stack_ + kStackBytes) - kFrameWords;
  frame[kAddressWord] = reinterpret_cast<std::uintptr_t>(&Fiber::begin);
  stack_pointer_ = frame;
  BAUTA_TSAN(tsan_fiber_ = __tsan_create_fiber(0);)
}

Fiber::~Fiber() {
  BAUTA_TSAN(__tsan_destroy_fiber(tsan_fiber_);)
  BAUTA_ASAN(__asan_unpoison_memory_region(stack_, kStackBytes);)
  munmap(mapping_, page_bytes() + kStackBytes);
}

void Fiber::begin() {
  Fiber* self = entering;
  BAUTA_ASAN(__sanitizer_finish_switch_fiber(nullptr, &self->caller_stack_, &self->caller_bytes_);)
  self->main_(self->argument_);
  std::abort();
}

void Fiber::enter() {
  entering = this;
  [[maybe_unused]] void* fake_stack = nullptr;
  BAUTA_ASAN(__sanitizer_start_switch_fiber(&fake_stack, stack_, kStackBytes);)
  BAUTA_TSAN(tsan_caller_ = __tsan_get_current_fiber(); __tsan_switch_to_fiber(tsan_fiber_, 0);)
  bauta_simt_switch(&caller_pointer_, stack_pointer_);
  BAUTA_ASAN(__sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);)
}

void Fiber::leave() {
  BAUTA_ASAN(__sanitizer_start_switch_fiber(&fake_stack_, caller_stack_, caller_bytes_);)
  BAUTA_TSAN(__tsan_switch_to_fiber(tsan_caller_, 0);)
  bauta_simt_switch(&stack_pointer_, caller_pointer_);
  BAUTA_ASAN(__sanitizer_finish_switch_fiber(fake_stack_, &caller_stack_, &caller_bytes_);)
}

}  // namespace bauta::simt::runtime
