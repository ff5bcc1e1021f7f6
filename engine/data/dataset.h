#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/data/image_size.h"
#include "engine/data/part.h"
#include "kernels/status.h"

namespace bauta {

/// Labelled images of one size, all in memory (or mapped from a pack), never changed after opening: any
/// number of threads may read one. Movable; copies share the pixels.
class Dataset {
 public:
  /// What a data set consists of; N samples.
  struct Contents {
    ImageSize size{};
    std::vector<std::string> classes;      ///< [K] names, in label order
    std::vector<std::string> names;        ///< [N]
    std::vector<std::int32_t> labels;      ///< [N], each in [0, K)
    std::vector<std::int32_t> groups;      ///< [N], -1: none; or empty: no sample has a group
    std::vector<Part> parts;               ///< [N]; or empty: the data set does not come split
    std::span<const std::uint8_t> pixels;  ///< [N, H, W, 3]
    std::shared_ptr<const void> storage;   ///< keeps `pixels` alive
    int left_out = 0;                      ///< images listed beside these N, which could not be decoded
  };
  explicit Dataset(Contents contents) : contents_(std::move(contents)) {}

  /// N.
  int size() const { return static_cast<int>(contents_.labels.size()); }
  ImageSize image_size() const { return contents_.size; }

  /// RGB bytes [H, W, 3] of sample i.
  std::span<const std::uint8_t> pixels(int i) const {
    return contents_.pixels.subspan(static_cast<std::size_t>(i) * contents_.size.bytes(),
                                    contents_.size.bytes());
  }
  /// Those of all samples, [N, H, W, 3], one block.
  std::span<const std::uint8_t> all_pixels() const { return contents_.pixels; }

  /// The class of sample i, an index into classes().
  std::int32_t label(int i) const { return contents_.labels[static_cast<std::size_t>(i)]; }
  std::span<const std::int32_t> labels() const { return contents_.labels; }
  /// The names of the classes, in label order.
  const std::vector<std::string>& classes() const { return contents_.classes; }

  /// The path of sample i as its source lists it: the manifest's words, or relative to the data set's folder.
  const std::string& name(int i) const { return contents_.names[static_cast<std::size_t>(i)]; }

  /// The group of every sample, numbered from 0 in order of first appearance, -1 where it has none; empty
  /// when no sample has one.
  std::span<const std::int32_t> groups() const { return contents_.groups; }

  /// Images of a folder or manifest that could not be decoded, and are none of the samples.
  int left_out() const { return contents_.left_out; }

  /// Whether the data set says itself what each sample is for.
  bool is_split() const { return !contents_.parts.empty(); }
  /// What the samples are for, of a data set that comes split; else empty.
  std::span<const Part> own_parts() const { return contents_.parts; }

  /// A hash of everything above but left_out(): equal for the same data whether opened from a folder or its
  /// pack, and different in all likelihood for any other. Reads every pixel (about 5 GB/s).
  std::uint64_t fingerprint() const;

 private:
  Contents contents_;
};

/// How a data set is opened.
struct OpenOptions {
  ImageSize size{100, 100, 3};
  int threads = 1;      ///< that decode images
  bool strict = false;  ///< an image that cannot be decoded is an error, not a warning
  /// The classes wanted, in this order: those of a trained network. Empty: the data set's own.
  std::vector<std::string> classes{};
  /// To train: there are at least two classes, of at least 2 images each, and all those wanted. Else one
  /// image will do.
  bool to_train = true;
  std::function<void(std::string_view)> warn{};         ///< takes one line; may be empty
  std::function<void(int done, int total)> progress{};  ///< images decoded so far; may be empty
  const std::atomic<bool>* stop = nullptr;              ///< asks to give up decoding; may be null
};

/// Opens a data set and holds it in memory, every image decoded and resized as preprocess.h does. `path` is
/// one of
///  - a folder with one folder per class, images at any depth inside (so the RMFD layout, too:
///    AFDB_masked_face_dataset/ID/*.jpg and AFDB_face_dataset/ID/*.jpg); order: class, then path bytewise;
///    or such folders within others called train, val, test: it comes split (see listing.h);
///  - a CSV manifest `path,label[,group][,split]` with a header line; order: its rows (see listing.h);
///  - a pack made by pack_dataset, which is mapped, not read.
/// Names of classes that are known aliases become the study's (see class_names.h).
/// An image that cannot be decoded is left out with a warning, and their number is said at the end; of images
/// that are the same, pixel for pixel, there is a warning where it matters (see copies.h). An error:
/// a path that is missing or of none of these kinds, no images, classes that are not `options.classes`, what
/// options.to_train asks for, a pack of another image size, a set whose pixels need more than half of the
/// memory, a stop.
Result<Dataset> open_dataset(const std::string& path, const OpenOptions& options);

/// Decodes the data set at `path` into the file `out`, from which open_dataset gives the same Dataset without
/// decoding. Holds a few hundred images at a time in memory. `out` is written whole or not at all; a file
/// that is there already is replaced if it is a pack, else refused.
Status pack_dataset(const std::string& path, const std::string& out, const OpenOptions& options);

}  // namespace bauta
