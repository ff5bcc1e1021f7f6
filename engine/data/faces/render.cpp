#include "engine/data/faces/render.h"

#include <utility>

#include "engine/data/faces/photograph.h"
#include "engine/data/faces/stage.h"

namespace bauta {

RenderedFace render_face(std::uint64_t seed, std::uint64_t index, bool with_mask) {
  using namespace faces;
  const Face face = draw_face(seed, index, with_mask);
  Stage stage(face);
  paint_back_hair(stage);
  paint_body(stage);
  paint_head(stage);
  paint_features(stage);
  paint_beard(stage);
  paint_mask(stage);
  paint_hair(stage);
  paint_scarf(stage);
  paint_headwear(stage);
  paint_glasses(stage);
  paint_obstacle(stage);
  Picture picture = light(stage, paint_background(face));
  const Camera& camera = face.camera;
  return {camera.width, camera.height, develop(std::move(picture), camera), camera.jpeg_quality,
          camera.subsampled_chroma};
}

}  // namespace bauta
