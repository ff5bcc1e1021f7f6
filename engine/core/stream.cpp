#include "engine/core/stream.h"

#include <cstdlib>
#include <utility>

namespace bauta {
namespace {

// Null where there is one order of work alone.
const StreamBackend* backend_of(const Context& context) {
  const bool has_streams = context.backend == Backend::cuda || context.backend == Backend::simt;
  return has_streams ? &BAUTA_PICK_GPU(context, stream_backend) : nullptr;
}

}  // namespace

bool launches_are_waited_for() {
  const char* const asked = std::getenv("CUDA_LAUNCH_BLOCKING");
  return asked != nullptr && std::atoi(asked) != 0;
}

Status wait_for_stream(const Context& context) {
  const StreamBackend* const backend = backend_of(context);
  return backend == nullptr ? Status() : backend->wait(context.stream);
}

Status do_in_order(const Context& context, std::function<Status()> work) {
  const StreamBackend* const backend = backend_of(context);
  if (backend == nullptr || context.stream == nullptr) return work();
  backend->put(context.stream, std::move(work));
  return {};
}

Result<Stream> Stream::create(const Context& context, StreamPriority priority) {
  Stream result;
  const StreamBackend* const backend = backend_of(context);
  if (backend == nullptr) return result;
  void* stream = nullptr;
  BAUTA_TRY(backend->make_stream(priority, stream));
  result.stream_ = {stream, backend->close};
  return result;
}

Context Stream::of(Context context) const {
  context.stream = stream_.get();
  return context;
}

Result<Event> Event::create(const Context& context) {
  Event result;
  result.backend_ = backend_of(context);
  if (result.backend_ == nullptr) return result;
  void* event = nullptr;
  BAUTA_TRY(result.backend_->make_event(event));
  result.event_ = {event, result.backend_->destroy_event};
  return result;
}

Status Event::record(const Context& context) {
  return backend_ == nullptr ? Status() : backend_->record(event_.get(), context.stream);
}
Status Event::make_wait(const Context& context) const {
  return backend_ == nullptr ? Status() : backend_->make_wait(context.stream, event_.get());
}
Status Event::wait() const { return backend_ == nullptr ? Status() : backend_->wait_for_event(event_.get()); }

Status Recording::run(const Context& context, const std::function<Status()>& work) {
  if (context.backend != Backend::cuda || launches_are_waited_for() || ++runs_ == 1) return work();
  const StreamBackend& backend = *backend_of(context);
  if (graph_ == nullptr) {
    BAUTA_TRY(backend.begin_capture(context.stream));
    const Status done = work();
    void* graph = nullptr;
    const Status captured = backend.end_capture(context.stream, graph);
    graph_ = {graph, backend.destroy_graph};
    BAUTA_TRY(done);
    BAUTA_TRY(captured);
  }
  return backend.launch_graph(graph_.get(), context.stream);
}

}  // namespace bauta
