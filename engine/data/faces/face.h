#pragma once

#include <cstdint>

#include "engine/core/rng.h"
#include "engine/data/faces/canvas.h"

namespace bauta::faces {

/// Lengths of a face are in half widths of the head: x from -1 to 1, y from about -1.5 (crown) over 0 (just
/// below the eyes) to about 1.35 (chin), seen from the front. Angles are in radians.

struct Head {
  Colour skin;
  float blush;        ///< redness of cheeks and nose, 0 to 1
  float forehead;     ///< half width at the hairline
  float jaw;          ///< half width at the mouth
  float chin_width;   ///< half width just above the chin
  float chin;         ///< y of its lowest point
  float relief;       ///< how pronounced brow, nose and cheekbones are, about 1
  float nose_width;   ///< about 1
  float nose_length;  ///< y of the tip
  float age;          ///< 0 to 1: folds
};

struct Eyes {
  Colour iris;
  float spacing;  ///< x of an eye's middle
  float size;     ///< half width
  float open;     ///< half height, 0 closed
  float slant;    ///< outer corner up
  float gaze;     ///< -1 to 1
  float makeup;   ///< 0 to 1
  Colour brow;
  float brow_height;
  float brow_thickness;
  float brow_arch;
};

struct Mouth {
  Colour lips;
  float y;
  float width;     ///< half width
  float fullness;  ///< about 1
  float smile;     ///< corners up; negative: down
  float open;      ///< half height of the opening
};

enum class HairStyle { bald, buzz, crop, parted, fringe, afro, bun, chin_length, long_straight, long_wavy };

struct Hair {
  HairStyle style;
  Colour colour;
  float volume;    ///< thickness over the skull
  float hairline;  ///< y in the middle of the forehead
  float parting;   ///< x of the parting
  float curl;      ///< 0 straight, 1 curly
  float noise;     ///< place in the noise
};

enum class BeardStyle { none, stubble, full, goatee, moustache };

struct Beard {
  BeardStyle style;
  float density;
  float length;
};

enum class HeadwearStyle { none, cap, beanie, headscarf, hood, helmet };

struct Headwear {
  HeadwearStyle style;
  Colour colour;
  Colour trim;
  float brim;  ///< y of its lower edge on the forehead
  float noise;
};

enum class GlassesStyle { none, rimmed, rimless, sunglasses };

struct Glasses {
  GlassesStyle style;
  Colour frame;
  Colour lens;
  float width;      ///< half width of a lens
  float height;     ///< half height of a lens
  float roundness;  ///< 0 square, 1 round
  float thickness;
  float glare;
};

struct Clothes {
  Colour colour;
  Colour collar;
  int kind;    ///< 0 round neck, 1 shirt collar, 2 high collar
  bool scarf;  ///< around the neck, up to the chin
  Colour scarf_colour;
  float noise;
};

enum class ObstacleKind { none, hand, fist, cup, microphone, phone };

/// What is held before the mouth or chin, of people with and without masks alike.
struct Obstacle {
  ObstacleKind kind;
  Colour colour;
  Point at;
  float size;
  float angle;
  float side;  ///< -1 or 1: where the arm comes from
};

enum class MaskKind { surgical, folded_respirator, cup_respirator, cloth, sport, bandana };
enum class Pattern { plain, dots, stripes, checks, flowers, camouflage, two_tone, emblem, printed_mouth };

struct Mask {
  MaskKind kind;
  Pattern pattern;
  Colour colour;
  Colour second;  ///< of pattern, valve, and edges
  Colour straps;
  float top;     ///< y on the nose
  float bottom;  ///< y of its lowest point
  float side;    ///< x of its side edge
  float puff;    ///< how far it stands off
  float tilt;    ///< rotation in the face's plane
  float wrinkles;
  float noise;
  float pattern_scale;
  bool valve;
};

struct Pose {
  float yaw;    ///< positive: turned to the picture's right
  float pitch;  ///< positive: looking down
  float roll;   ///< positive: clockwise
};

struct Light {
  Colour key;  ///< of the main light
  Colour ambient;
  float x, y, z;  ///< unit vector towards the main light; z towards the camera
};

struct Background {
  Colour colours[4];
  int shapes;
  float noise;
  float texture;
};

struct Camera {
  int width, height;  ///< pixels
  float scale;        ///< pixels in one half width of the head
  Point centre;       ///< where the face's origin falls, pixels
  float exposure;
  float contrast;
  float saturation;  ///< 0 a black-and-white picture
  Colour balance;
  float blur;   ///< standard deviation in pixels
  float grain;  ///< standard deviation of the noise, of 1
  int noise_x, noise_y;
  int jpeg_quality;  ///< 40 to 95
  bool subsampled_chroma;
};

enum class Covering { none, worn, under_the_chin };

/// Everything that a picture of a face depends on. All but `mask` and `covering` are drawn alike for both
/// classes, and before them: the faces of one seed and index with and without mask are the same person in the
/// same picture.
struct Face {
  Head head;
  Eyes eyes;
  Mouth mouth;
  Hair hair;
  Beard beard;
  Headwear headwear;
  Glasses glasses;
  Clothes clothes;
  Obstacle obstacle;
  Pose pose;
  Light light;
  Background background;
  Camera camera;
  Covering covering;
  Mask mask;
};

/// The face `index` of the endless data set `seed`.
Face draw_face(std::uint64_t seed, std::uint64_t index, bool with_mask);

/// The mask of a face; its draws follow those of the face itself.
Mask draw_mask(Rng& rng, const Head& head);

/// One of `weights`' positions, with chances in proportion to them.
int pick(Rng& rng, std::initializer_list<float> weights);

/// Bell-shaped around `mean`, within 3 times `deviation` of it.
float around(Rng& rng, float mean, float deviation);

/// True with the given chance.
inline bool chance(Rng& rng, float probability) { return rng.uniform() < probability; }

/// A colour of things: now and then white, black, grey, light blue, or anything.
Colour any_colour(Rng& rng);

}  // namespace bauta::faces
