// OpenCV. The variant is "cubic" (which it does not widen on downscale) or "area", a dash and its number of threads.
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <cstdlib>
#include <cstring>

#include "worker.h"

static cv::Mat pictures[WORKER_CASES][WORKER_MAX_PLANES];
static cv::Mat targets[WORKER_CASES][WORKER_MAX_SIZES][WORKER_MAX_PLANES];

static void prepare(const worker_case *one, unsigned index) {
  for (unsigned plane = 0; plane < one->plane_count; plane++) {
    const worker_size from = worker_plane_size(one, one->from, plane);
    pictures[index][plane] = cv::Mat(static_cast<int>(from.height), static_cast<int>(from.width),
                                     CV_8UC(static_cast<int>(one->channels)), one->planes[plane]);
    for (unsigned size = 0; size < one->size_count; size++) {
      const worker_size to = worker_plane_size(one, one->to[size], plane);
      targets[index][size][plane] = cv::Mat::zeros(static_cast<int>(to.height), static_cast<int>(to.width),
                                                   CV_8UC(static_cast<int>(one->channels)));
    }
  }
}

static double run(const worker_case *one, unsigned index, const char *variant) {
  const int filter = std::strncmp(variant, "area", 4) == 0 ? cv::INTER_AREA : cv::INTER_CUBIC;
  const char *threads = std::strchr(variant, '-');
  if (!threads) worker_die("'%s' names no threads", variant);
  cv::setNumThreads(std::atoi(threads + 1));
  const double begin = worker_now_ms();
  for (unsigned size = 0; size < one->size_count; size++) {
    for (unsigned plane = 0; plane < one->plane_count; plane++) {
      cv::Mat &to = targets[index][size][plane];
      cv::resize(pictures[index][plane], to, to.size(), 0, 0, filter);
    }
  }
  return worker_now_ms() - begin;
}

int main(int count, char **arguments) { return worker_main(count, arguments, prepare, run); }
