#include "engine/io/jpeg.h"

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>

namespace bauta {
namespace {

/// One decoding. libjpeg reports errors by longjmp, so what it may jump over owns nothing: all that is owned
/// lives here.
class Decoder {
 public:
  Decoder() {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr jpeg) { std::longjmp(self(jpeg).failed_, 1); };
    errors_.output_message = [](j_common_ptr) {};
    // Damage that libjpeg gets over passes, as in Pillow; a file that ends before its picture does not.
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) std::longjmp(self(jpeg).failed_, 1);
    };
    jpeg_.client_data = this;
    jpeg_create_decompress(&jpeg_);
    // A file may hold any number of passes over the whole picture, each in a few bytes.
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMaxScans)
        std::longjmp(self(jpeg).failed_, 1);
    };
    jpeg_.progress = &progress_;
  }
  ~Decoder() { jpeg_destroy_decompress(&jpeg_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool read_header(std::span<const std::byte> file) {
    if (setjmp(failed_) != 0) return false;
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(file.data()),
                 static_cast<unsigned long>(file.size()));
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }

  int width() const { return static_cast<int>(jpeg_.image_width); }
  int height() const { return static_cast<int>(jpeg_.image_height); }

  // Whether `file_bytes` can hold that many pixels: a block of 8x8 takes at least a bit.
  bool can_fit(std::size_t file_bytes) const {
    const std::size_t blocks =
        (std::size_t{jpeg_.image_width} + 7) / 8 * ((std::size_t{jpeg_.image_height} + 7) / 8);
    return blocks <= 8 * file_bytes;
  }

  bool is_arithmetic() const { return jpeg_.arith_code != FALSE; }

  bool read_pixels(Image& image) {
    const bool cmyk = jpeg_.num_components == 4;
    jpeg_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    const std::size_t pitch = static_cast<std::size_t>(width()) * 3;
    image.width = width();
    image.height = height();
    image.pixels.resize(pitch * static_cast<std::size_t>(height()));
    row_.resize(static_cast<std::size_t>(width()) * 4);
    if (setjmp(failed_) != 0) return false;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      std::uint8_t* to = image.pixels.data() + pitch * jpeg_.output_scanline;
      JSAMPROW row = cmyk ? row_.data() : to;
      jpeg_read_scanlines(&jpeg_, &row, 1);
      if (cmyk) convert_cmyk(to);
    }
    return true;
  }

  std::string reason() {
    if (jpeg_.input_scan_number > kMaxScans) return "more than " + std::to_string(kMaxScans) + " scans";
    char text[JMSG_LENGTH_MAX];
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), text);
    return text;
  }

 private:
  static constexpr int kMaxScans = 500;

  static Decoder& self(j_common_ptr jpeg) { return *static_cast<Decoder*>(jpeg->client_data); }

  // Files hold inverted inks, as Adobe's do; the arithmetic is Pillow's.
  void convert_cmyk(std::uint8_t* rgb) const {
    for (std::size_t i = 0; i < row_.size(); i += 4, rgb += 3) {
      const int light = row_[i + 3];
      for (std::size_t c = 0; c < 3; ++c) {
        const int product = (255 - row_[i + c]) * light + 128;
        rgb[c] = static_cast<std::uint8_t>(std::max(0, light - ((product >> 8) + product) / 256));
      }
    }
  }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf failed_{};
  std::vector<std::uint8_t> row_;
};

}  // namespace

bool is_jpeg(std::span<const std::byte> file) {
  return file.size() >= 3 && file[0] == std::byte{0xFF} && file[1] == std::byte{0xD8} &&
         file[2] == std::byte{0xFF};
}

Result<Image> decode_jpeg(std::span<const std::byte> file, const std::string& name) {
  Decoder decoder;
  const auto damaged = [&](const std::string& reason) {
    return Status::error("the JPEG is damaged or cut short: " + reason, name, "replace or remove the file");
  };
  if (!decoder.read_header(file)) return damaged(decoder.reason());
  BAUTA_TRY(check_pixel_count(decoder.width(), decoder.height(), name));
  if (decoder.is_arithmetic()) {
    return Status::error("arithmetic coding of JPEG is not supported", name,
                         "save it as an ordinary JPEG or PNG");
  }
  if (!decoder.can_fit(file.size())) return damaged("too little data for its size");
  Image image;
  if (!decoder.read_pixels(image)) return damaged(decoder.reason());
  return image;
}

}  // namespace bauta
