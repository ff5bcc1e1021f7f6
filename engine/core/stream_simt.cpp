#include "engine/core/stream.h"
#include "kernels/simt/stream.h"

namespace bauta::simt {
namespace {

using runtime::Stream;

// Behind the first `position` jobs of a stream; null: of the order in which all is done at once.
struct Mark {
  Stream* stream = nullptr;
  std::int64_t position = 0;
};

Stream* as_stream(void* stream) { return static_cast<Stream*>(stream); }
Mark& as_mark(void* event) { return *static_cast<Mark*>(event); }

Status make_stream(StreamPriority priority, void*& stream) {
  stream = new Stream(priority == StreamPriority::low && runtime::hasty_low_priority);
  return {};
}
void close(void* stream) { delete as_stream(stream); }
Status wait(void* stream) {
  return stream == nullptr ? Status() : as_stream(stream)->run(as_stream(stream)->size());
}

void put(void* stream, std::function<Status()> work) { as_stream(stream)->put(std::move(work)); }

Status make_event(void*& event) {
  event = new Mark;
  return {};
}
void destroy_event(void* event) { delete &as_mark(event); }

Status record(void* event, void* stream) {
  as_mark(event) = {as_stream(stream), stream == nullptr ? 0 : as_stream(stream)->size()};
  return {};
}

Status reach(const Mark& mark) { return mark.stream == nullptr ? Status() : mark.stream->run(mark.position); }

Status make_wait(void* stream, void* event) {
  const Mark mark = as_mark(event);
  if (stream == nullptr) return reach(mark);
  as_stream(stream)->put([mark] { return reach(mark); });
  return {};
}

Status wait_for_event(void* event) { return reach(as_mark(event)); }

}  // namespace

const StreamBackend stream_backend = {.make_stream = make_stream,
                                      .close = close,
                                      .wait = wait,
                                      .put = put,
                                      .make_event = make_event,
                                      .destroy_event = destroy_event,
                                      .record = record,
                                      .make_wait = make_wait,
                                      .wait_for_event = wait_for_event,
                                      .begin_capture = nullptr,
                                      .end_capture = nullptr,
                                      .launch_graph = nullptr,
                                      .destroy_graph = nullptr};

}  // namespace bauta::simt
