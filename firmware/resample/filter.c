#include "filter.h"

#include <math.h>

static const double CUBIC_SUPPORT = 2.0;
static const double LANCZOS_LOBES = 3.0;
static const double PI = 3.14159265358979323846;

// The two-parameter family of Mitchell and Netravali, "Reconstruction Filters in Computer Graphics", 1988, eq. 8.
// Keys' cubic with parameter a is B = 0, C = -a.
static double cubic(double x, double b, double c) {
  if (x < 1.0) {
    return ((12.0 - 9.0 * b - 6.0 * c) * x * x * x + (-18.0 + 12.0 * b + 6.0 * c) * x * x + (6.0 - 2.0 * b)) / 6.0;
  }
  if (x < 2.0) {
    return ((-b - 6.0 * c) * x * x * x + (6.0 * b + 30.0 * c) * x * x + (-12.0 * b - 48.0 * c) * x +
            (8.0 * b + 24.0 * c)) /
           6.0;
  }
  return 0.0;
}

static double lanczos(double x) {
  if (x >= LANCZOS_LOBES) return 0.0;
  if (x < 1e-9) return 1.0;
  double angle = PI * x;
  return LANCZOS_LOBES * sin(angle) * sin(angle / LANCZOS_LOBES) / (angle * angle);
}

double resample_filter_support(enum resample_filter filter) {
  return filter == RESAMPLE_LANCZOS3 ? LANCZOS_LOBES : CUBIC_SUPPORT;
}

double resample_filter_at(enum resample_filter filter, double distance) {
  double x = fabs(distance);
  switch (filter) {
    case RESAMPLE_BICUBIC:
      return cubic(x, 0.0, 0.5);
    case RESAMPLE_MITCHELL:
      return cubic(x, 1.0 / 3.0, 1.0 / 3.0);
    case RESAMPLE_LANCZOS3:
      return lanczos(x);
  }
  BASE_ASSERT(!"a filter of the enum");
  return 0.0;
}
