#pragma once

#include <functional>
#include <memory>

#include "kernels/common.h"

/// The orders in which a context's device does its work. Where the CPU computes there is one alone, in which
/// all is done when the call that asks for it returns: there nothing here does anything. simt has more than
/// one, like a GPU, and does the work of all but the first as late as is allowed (kernels/simt/stream.h).
namespace bauta {

/// Waits until the context's stream has done all that it was given.
Status wait_for_stream(const Context&);

/// Has the host do what a GPU would copy or set to zero, when the context's stream comes to it. Not for a
/// GPU.
Status do_in_order(const Context&, std::function<Status()> work);

/// Which of several streams' ready work a GPU takes up first; a Context's own stream is high.
enum class StreamPriority { high, low };

/// A second order of work on a context's device, beside Context::stream.
class Stream {
 public:
  static Result<Stream> create(const Context&, StreamPriority = StreamPriority::high);
  /// The context with this in the place of its stream, valid as long as this is.
  Context of(Context) const;

 private:
  std::unique_ptr<void, void (*)(void*)> stream_{nullptr, [](void*) {}};
};

/// A mark in the work that a device was given.
class Event {
 public:
  static Result<Event> create(const Context&);
  /// Sets the mark behind all that the context's stream was given so far.
  Status record(const Context&);
  /// What the context's stream is given from now on waits for the mark; nothing to wait for before the first
  /// record.
  Status make_wait(const Context&) const;
  /// The host waits for the mark.
  Status wait() const;

 private:
  const struct StreamBackend* backend_ = nullptr;  // null: the mark is nothing
  std::unique_ptr<void, void (*)(void*)> event_{nullptr, [](void*) {}};
};

/// Whether CUDA_LAUNCH_BLOCKING in the environment has every launch waited for, as CUDA itself reads it.
bool launches_are_waited_for();

/// Work that a device is given again and again, always with the same arrays and sizes. A GPU gets it the
/// first time call by call, which loads its kernels; the second time it is recorded as a CUDA graph, and from
/// then on launched as one. Elsewhere it is simply done, and so it is with CUDA_LAUNCH_BLOCKING=1 in the
/// environment, which names the kernel that fails and waits where a recording must not.
class Recording {
 public:
  /// Gives `work` to the context's stream, and to others that wait for it and that it waits for in the end.
  /// `work` has to be the same each time, and must not wait for the device.
  Status run(const Context&, const std::function<Status()>& work);

 private:
  int runs_ = 0;
  std::unique_ptr<void, void (*)(void*)> graph_{nullptr, [](void*) {}};
};

/// What device.cu gives but for put, and stream_simt.cpp but for the last four.
struct StreamBackend {
  Status (*make_stream)(StreamPriority, void*& stream);
  void (*close)(void* stream);
  Status (*wait)(void* stream);
  void (*put)(void* stream, std::function<Status()> work);
  Status (*make_event)(void*& event);
  void (*destroy_event)(void* event);
  Status (*record)(void* event, void* stream);
  Status (*make_wait)(void* stream, void* event);
  Status (*wait_for_event)(void* event);
  Status (*begin_capture)(void* stream);
  /// Ends the capture in any case; `graph` is null where it failed.
  Status (*end_capture)(void* stream, void*& graph);
  Status (*launch_graph)(void* graph, void* stream);
  void (*destroy_graph)(void* graph);
};
BAUTA_DECLARE_GPU_BACKENDS(StreamBackend, stream_backend)

}  // namespace bauta
