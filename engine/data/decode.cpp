#include "engine/data/decode.h"

#include <algorithm>

#include "engine/data/copies.h"
#include "engine/io/image.h"
#include "kernels/thread_pool.h"

namespace bauta {
namespace {

// Held at a time: this many images, fewer where they are large.
constexpr std::size_t kChunkImages = 256;
constexpr std::size_t kChunkBytes = std::size_t{16} << 20;

}  // namespace

Result<std::vector<int>> decode_images(const Listing& listing, const OpenOptions& options,
                                       const std::function<Status(std::span<const std::uint8_t>)>& take) {
  const std::vector<ListedImage>& images = listing.images;
  const int total = static_cast<int>(images.size());
  const std::size_t bytes = options.size.bytes();
  const auto chunk =
      std::max(std::min(kChunkImages, kChunkBytes / bytes), static_cast<std::size_t>(options.threads));
  std::vector<std::uint8_t> pixels(std::min(chunk, images.size()) * bytes);
  std::vector<Status> statuses(chunk);
  ThreadPool pool(options.threads);
  BAUTA_TRY(pool.status());

  std::vector<int> decoded;
  Copies copies(listing, options.to_train);
  for (int begin = 0; begin < total; begin += static_cast<int>(chunk)) {
    const int count = std::min(static_cast<int>(chunk), total - begin);
    const auto pixels_of = [&](int i) {
      return std::span(pixels).subspan(static_cast<std::size_t>(i) * bytes, bytes);
    };
    const auto listed = std::span(images).subspan(static_cast<std::size_t>(begin));
    pool.parallel_for(count, [&](int i, int) {
      const auto at = static_cast<std::size_t>(i);
      statuses[at] =
          load_network_input(listed[at].file, options.size.width, options.size.height, pixels_of(i));
    });
    for (int i = 0; i < count; ++i) {
      const Status& status = statuses[static_cast<std::size_t>(i)];
      if (status.ok()) {
        BAUTA_TRY(take(pixels_of(i)));
        copies.add(begin + i, pixels_of(i));
        decoded.push_back(begin + i);
      } else if (options.strict) {
        return status;
      } else if (options.warn) {
        options.warn("left out: " + status.message());
      }
    }
    if (options.progress) options.progress(begin + count, total);
    if (options.stop != nullptr && options.stop->load())
      return Status::error("stopped, and kept none of the images", {}, "start it again");
  }
  copies.tell(options.warn);
  const auto bad = images.size() - decoded.size();
  if (bad > 0 && options.warn) {
    options.warn(std::to_string(bad) + " of " + std::to_string(total) +
                 " images could not be read and were left out");
  }
  return decoded;
}

}  // namespace bauta
