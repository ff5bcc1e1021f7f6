#include "engine/data/faces/make_dataset.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "engine/data/faces/jpeg.h"
#include "engine/data/faces/render.h"
#include "engine/io/file.h"
#include "kernels/thread_pool.h"

namespace bauta {
namespace {

namespace fs = std::filesystem;

constexpr int kFacesPerFolder = 50;
constexpr int kFacesPerReport = 200;
constexpr int kMaxFaces = 10'000'000;

/// A face of the set: those with a mask come first, and have the odd indices of the seed's endless set.
struct Item {
  bool with_mask;
  int number;

  std::uint64_t index() const { return 2 * static_cast<std::uint64_t>(number) + (with_mask ? 1 : 0); }
  std::string folder() const {
    return fmt::format("{}/{:04}", with_mask ? "AFDB_masked_face_dataset" : "AFDB_face_dataset",
                       number / kFacesPerFolder);
  }
  std::string path() const { return fmt::format("{}/{:06}.jpg", folder(), number); }
};

/// Removes the unfinished folder unless it was renamed.
class UnfinishedFolder {
 public:
  explicit UnfinishedFolder(std::string path) : path_(std::move(path)) {}
  ~UnfinishedFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;

  const std::string& path() const { return path_; }

  /// Makes the files durable and gives the folder its name.
  Status finish(const std::string& name) {
    const FileDescriptor folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || ::syncfs(folder.get()) != 0) return file_error("sync", path_);
    if (std::rename(path_.c_str(), name.c_str()) != 0) return file_error("create", name);
    path_.clear();
    return {};
  }

 private:
  std::string path_;
};

// "set/" is made beside "set.tmp" as "set" is.
std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Whether a folder cannot give its place to another: something is mounted there, it has no name of its own,
// or it is a link.
bool is_fixed(const std::string& path) {
  struct statx info {};
  const bool found = ::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS, &info) == 0;
  const fs::path name = fs::path(path).filename();
  std::error_code failure;
  return name == "." || name == ".." || fs::is_symlink(path, failure) ||
         (found && (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0);
}

Status check(const MakeOptions& options) {
  if (options.out.empty()) return Status::usage("no folder for the data set", "--out", "name one");
  if (options.with_mask < 0 || options.without_mask < 0) {
    return Status::usage("the number of faces is negative", "--with-mask, --without-mask", "give 0 or more");
  }
  if (options.with_mask > kMaxFaces || options.without_mask > kMaxFaces) {
    return Status::usage(fmt::format("more than {} faces of one class", kMaxFaces),
                         "--with-mask, --without-mask", "make several sets of different seeds");
  }
  if (options.with_mask == 0 && options.without_mask == 0) {
    return Status::usage("a data set without faces", "--with-mask, --without-mask", "ask for at least one");
  }
  if (options.threads < 1) return Status::usage("threads must be at least 1", "--threads", "give 1 or more");
  std::error_code failure;
  if (fs::exists(options.out, failure) &&
      !(fs::is_directory(options.out, failure) && fs::is_empty(options.out, failure))) {
    return Status::usage("the folder for the data set is not empty", options.out,
                         "name a new one, or remove it first");
  }
  if (is_fixed(without_slashes(options.out))) {
    return Status::usage("the data set cannot take the place of this folder", options.out,
                         "name a new one within it");
  }
  return {};
}

Status write_jpeg(const std::string& path, const RenderedFace& face) {
  const std::vector<std::uint8_t> jpeg = encode_jpeg(face);
  FilePointer file(std::fopen(path.c_str(), "wb"));
  if (!file) return file_error("create", path);
  const bool written = std::fwrite(jpeg.data(), 1, jpeg.size(), file.get()) == jpeg.size();
  if (std::fclose(file.release()) != 0 || !written) return file_error("write", path);
  return {};
}

Status create_folder(const std::string& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (!failure) return {};
  errno = failure.value();
  return file_error("create", path);
}

std::vector<Item> list_items(const MakeOptions& options) {
  std::vector<Item> items;
  items.reserve(static_cast<std::size_t>(options.with_mask) + static_cast<std::size_t>(options.without_mask));
  for (int i = 0; i < options.with_mask; ++i) items.push_back({true, i});
  for (int i = 0; i < options.without_mask; ++i) items.push_back({false, i});
  return items;
}

}  // namespace

Status make_dataset(const MakeOptions& options) {
  BAUTA_TRY(check(options));
  const std::string out = without_slashes(options.out);
  const std::string temporary = out + ".tmp";
  if (std::error_code failure; fs::exists(temporary, failure)) {
    return Status::error("an unfinished data set is in the way", temporary,
                         "remove it if no other run is making it");
  }
  UnfinishedFolder folder(temporary);
  const std::vector<Item> items = list_items(options);
  for (const Item& item : items) {
    if (item.number % kFacesPerFolder == 0) BAUTA_TRY(create_folder(temporary + "/" + item.folder()));
  }
  ThreadPool pool(options.threads);
  BAUTA_TRY(pool.status());
  const int total = static_cast<int>(items.size());
  std::vector<Status> outcomes(kFacesPerReport);
  for (int first = 0; first < total; first += kFacesPerReport) {
    const int count = std::min(kFacesPerReport, total - first);
    const Item* batch = items.data() + first;
    pool.parallel_for(count, [&](int i, int) {
      const Item& item = batch[i];
      outcomes[static_cast<std::size_t>(i)] =
          write_jpeg(temporary + "/" + item.path(), render_face(options.seed, item.index(), item.with_mask));
    });
    for (const Status& outcome : outcomes) BAUTA_TRY(outcome);
    if (options.progress) options.progress(first + count, total);
    if (options.stop != nullptr && options.stop->load()) {
      return Status::error("stopped, and removed what was rendered", temporary, "start it again");
    }
  }
  return folder.finish(out);
}

}  // namespace bauta
