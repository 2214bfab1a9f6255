#include "cicp.h"

#include <math.h>
#include <stdlib.h>

// Code points of ITU-T H.273 that need a name here.
enum {
  PRIMARIES_BT709 = 1,
  TRANSFER_GAMMA_22 = 4,
  TRANSFER_GAMMA_28 = 5,
  TRANSFER_SMPTE240 = 7,
  TRANSFER_LINEAR = 8,
  TRANSFER_PQ = 16,
  TRANSFER_SMPTE428 = 17,
  TRANSFER_HLG = 18,
};

// Diffuse white and HLG's peak, in cd/m2 (ITU-R BT.2408, BT.2100).
static const double diffuse_white = 203, hlg_peak = 1000, pq_peak = 10000;

// The result's curve as a table over linear light: fine enough that a step near black is a fifth of a step of 8 bits.
enum { ENCODE_STEPS = 16384 };

struct cicp_conversion {
  bool is_wide, is_hlg;
  float luminance[3];  // weights of linear R, G and B
  float matrix[3][3];  // linear light to linear sRGB
  float *decode;       // of each value there is
  uint8_t encode[ENCODE_STEPS + 1];
};

typedef double matrix3[3][3];

// Chromaticities x, y of red, green, blue and white.
struct primaries {
  uint16_t code;
  double xy[4][2];
};

static const struct primaries known_primaries[] = {
    {1, {{0.640, 0.330}, {0.300, 0.600}, {0.150, 0.060}, {0.3127, 0.3290}}},
    {4, {{0.670, 0.330}, {0.210, 0.710}, {0.140, 0.080}, {0.310, 0.316}}},
    {5, {{0.640, 0.330}, {0.290, 0.600}, {0.150, 0.060}, {0.3127, 0.3290}}},
    {6, {{0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}, {0.3127, 0.3290}}},
    {7, {{0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}, {0.3127, 0.3290}}},
    {8, {{0.681, 0.319}, {0.243, 0.692}, {0.145, 0.049}, {0.310, 0.316}}},
    {9, {{0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}, {0.3127, 0.3290}}},
    {10, {{1, 0}, {0, 1}, {0, 0}, {1.0 / 3, 1.0 / 3}}},
    {11, {{0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}, {0.314, 0.351}}},
    {12, {{0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}, {0.3127, 0.3290}}},
    {22, {{0.630, 0.340}, {0.295, 0.605}, {0.155, 0.077}, {0.3127, 0.3290}}},
};

// BT.709's when the code says nothing.
static const struct primaries *find_primaries(uint16_t code) {
  for (size_t i = 0; i < sizeof known_primaries / sizeof *known_primaries; i++) {
    if (known_primaries[i].code == code) return &known_primaries[i];
  }
  return &known_primaries[0];
}

static bool is_srgb_like(uint16_t transfer) {
  switch (transfer) {
    case TRANSFER_GAMMA_22:
    case TRANSFER_GAMMA_28:
    case TRANSFER_SMPTE240:
    case TRANSFER_LINEAR:
    case TRANSFER_PQ:
    case TRANSFER_SMPTE428:
    case TRANSFER_HLG:
      return false;
    default:
      return true;
  }
}

bool codec_cicp_differs_from_srgb(struct colour_cicp cicp) {
  return find_primaries(cicp.primaries)->code != PRIMARIES_BT709 || !is_srgb_like(cicp.transfer);
}

bool codec_colour_cicp_wants_16_bits(struct colour_cicp cicp) {
  return cicp.transfer == TRANSFER_PQ || cicp.transfer == TRANSFER_HLG || cicp.transfer == TRANSFER_LINEAR;
}

static void multiply(matrix3 a, matrix3 b, matrix3 out) {
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) out[i][j] = a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j];
  }
}

static void invert(matrix3 m, matrix3 out) {
  double determinant = 0;
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      const int a = (i + 1) % 3, b = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
      out[j][i] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
    }
  }
  for (int i = 0; i < 3; i++) determinant += m[0][i] * out[i][0];
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) out[i][j] /= determinant;
  }
}

static void xyz_of(const double xy[2], double out[3]) {
  out[0] = xy[0] / xy[1];
  out[1] = 1;
  out[2] = (1 - xy[0] - xy[1]) / xy[1];
}

// Linear R, G and B to X, Y and Z under the primaries' own white.
static void rgb_to_xyz(const struct primaries *primaries, matrix3 out) {
  matrix3 columns, inverse;
  double white[3];
  for (int j = 0; j < 3; j++) {
    const double *xy = primaries->xy[j];
    columns[0][j] = xy[0];
    columns[1][j] = xy[1];
    columns[2][j] = 1 - xy[0] - xy[1];
  }
  invert(columns, inverse);
  xyz_of(primaries->xy[3], white);
  for (int j = 0; j < 3; j++) {
    const double scale = inverse[j][0] * white[0] + inverse[j][1] * white[1] + inverse[j][2] * white[2];
    for (int i = 0; i < 3; i++) out[i][j] = columns[i][j] * scale;
  }
}

// Bradford: the same colour seen under another white.
static void adapt_white(const double from_xy[2], const double to_xy[2], matrix3 out) {
  static const double bradford[3][3] = {
      {0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}};
  matrix3 cone, inverse, scaled;
  double from[3], to[3];
  xyz_of(from_xy, from);
  xyz_of(to_xy, to);
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) cone[i][j] = bradford[i][j];
  }
  invert(cone, inverse);
  for (int i = 0; i < 3; i++) {
    const double a = cone[i][0] * from[0] + cone[i][1] * from[1] + cone[i][2] * from[2];
    const double b = cone[i][0] * to[0] + cone[i][1] * to[1] + cone[i][2] * to[2];
    for (int j = 0; j < 3; j++) scaled[i][j] = cone[i][j] * b / a;
  }
  multiply(inverse, scaled, out);
}

static void make_matrix(struct cicp_conversion *conversion, const struct primaries *from) {
  const struct primaries *srgb = &known_primaries[0];
  matrix3 to_xyz, adapted, adaption, srgb_to_xyz, from_xyz, whole;
  rgb_to_xyz(from, to_xyz);
  rgb_to_xyz(srgb, srgb_to_xyz);
  adapt_white(from->xy[3], srgb->xy[3], adaption);
  multiply(adaption, to_xyz, adapted);
  invert(srgb_to_xyz, from_xyz);
  multiply(from_xyz, adapted, whole);
  for (int i = 0; i < 3; i++) {
    conversion->luminance[i] = (float)to_xyz[1][i];
    for (int j = 0; j < 3; j++) conversion->matrix[i][j] = (float)whole[i][j];
  }
}

static double pq_light(double value) {
  const double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, c1 = 3424.0 / 4096, c2 = 2413.0 / 128, c3 = 2392.0 / 128;
  const double power = pow(value, 1 / m2);
  return pow(fmax(power - c1, 0) / (c2 - c3 * power), 1 / m1);
}

// Of the scene, not the display: 0..1.
static double hlg_light(double value) {
  const double a = 0.17883277, b = 0.28466892, c = 0.55991073;
  return value <= 0.5 ? value * value / 3 : (exp((value - c) / a) + b) / 12;
}

// Linear light of a coded value, 1 for the white that becomes white (HLG: of the scene).
static double light_of(uint16_t transfer, double value) {
  switch (transfer) {
    case TRANSFER_GAMMA_22:
      return pow(value, 2.2);
    case TRANSFER_GAMMA_28:
      return pow(value, 2.8);
    case TRANSFER_SMPTE240:
      return value < 4 * 0.0228 ? value / 4 : pow((value + 0.1115) / 1.1115, 1 / 0.45);
    case TRANSFER_LINEAR:
      return value;
    case TRANSFER_PQ:
      return pq_light(value) * pq_peak / diffuse_white;
    case TRANSFER_SMPTE428:
      return pow(value, 2.6) * 52.37 / 48;
    case TRANSFER_HLG:
      return hlg_light(value);
    default:
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
  }
}

static double srgb_value(double light) {
  return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

struct cicp_conversion *codec_cicp_create(struct colour_cicp cicp, bool is_wide) {
  struct cicp_conversion *conversion = calloc(1, sizeof *conversion);
  const uint32_t top = is_wide ? 65535 : 255;
  float *decode = malloc(((size_t)top + 1) * sizeof *decode);
  if (!conversion || !decode) {
    free(conversion);
    free(decode);
    return NULL;
  }
  *conversion = (struct cicp_conversion){.is_wide = is_wide, .is_hlg = cicp.transfer == TRANSFER_HLG, .decode = decode};
  make_matrix(conversion, find_primaries(cicp.primaries));
  for (uint32_t i = 0; i <= top; i++) decode[i] = (float)light_of(cicp.transfer, (double)i / top);
  for (uint32_t i = 0; i <= ENCODE_STEPS; i++) {
    conversion->encode[i] = (uint8_t)lround(255 * srgb_value((double)i / ENCODE_STEPS));
  }
  return conversion;
}

void codec_cicp_destroy(struct cicp_conversion **conversion) {
  if (*conversion) free((*conversion)->decode);
  free(*conversion);
  *conversion = NULL;
}

// From the scene to a display of 1000 cd/m2 (ITU-R BT.2100, HLG OOTF), relative to diffuse white.
static void show_hlg(const struct cicp_conversion *conversion, float light[3]) {
  const float *weights = conversion->luminance;
  const float luminance = weights[0] * light[0] + weights[1] * light[1] + weights[2] * light[2];
  const float gain = powf(fmaxf(luminance, 0), 0.2f) * (float)(hlg_peak / diffuse_white);
  for (int i = 0; i < 3; i++) light[i] *= gain;
}

void codec_cicp_row(const struct cicp_conversion *conversion, const void *in, uint8_t *rgba, uint32_t width) {
  const uint16_t *wide = in;
  const uint8_t *narrow = in;
  for (size_t x = 0; x < width; x++) {
    float light[3];
    for (size_t c = 0; c < 3; c++)
      light[c] = conversion->decode[conversion->is_wide ? wide[x * 4 + c] : narrow[x * 4 + c]];
    if (conversion->is_hlg) show_hlg(conversion, light);
    for (size_t c = 0; c < 3; c++) {
      const float *row = conversion->matrix[c];
      const float linear = row[0] * light[0] + row[1] * light[1] + row[2] * light[2];
      const float clipped = linear < 0 ? 0 : linear > 1 ? 1 : linear;
      rgba[x * 4 + c] = conversion->encode[(uint32_t)(clipped * ENCODE_STEPS + 0.5f)];
    }
  }
}
