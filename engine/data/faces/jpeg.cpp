#include "engine/data/faces/jpeg.h"

// jpeglib.h wants std::FILE and size_t declared.
// clang-format off
#include <cstddef>
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include <cstdlib>
#include <memory>
#include <string_view>

namespace bauta {
namespace {

constexpr std::string_view kComment = "rendered by bauta";

}  // namespace

std::vector<std::uint8_t> encode_jpeg(const RenderedFace& face) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err =
      jpeg_std_error(&errors);  // ends the process, which only running out of memory can bring about here
  jpeg_create_compress(&jpeg);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &memory, &size);
  jpeg.image_width = static_cast<JDIMENSION>(face.width);
  jpeg.image_height = static_cast<JDIMENSION>(face.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, face.jpeg_quality, TRUE);
  if (!face.subsampled_chroma) jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&jpeg, TRUE);
  jpeg_write_marker(&jpeg, JPEG_COM, reinterpret_cast<const JOCTET*>(kComment.data()),
                    static_cast<unsigned>(kComment.size()));
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(face.rgb.data() +
                                        static_cast<std::size_t>(jpeg.next_scanline) * 3 * jpeg.image_width);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  const std::unique_ptr<unsigned char, void (*)(void*)> owned(memory, std::free);
  jpeg_destroy_compress(&jpeg);
  return {memory, memory + size};
}

}  // namespace bauta
