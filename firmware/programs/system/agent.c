#include "agent.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "clients.h"
#include "watchdog.h"

enum { BACKLOG = 16, SOCKET_MODE = 0660, FOLDER_MODE = 0755, LOOKS = 10, REST_MS = 100 };
enum { POLLED_SIGNAL, POLLED_LISTENER, POLLED_CLIENTS };

static bool is_answered(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool is_connected = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
  base_fd_close(&fd);
  return is_connected;
}

// Removes a socket that a program left behind which did not end in order. One that was killed while it started another
// program may seem to listen for a moment more.
static enum base_result clear_path(const struct system *system, const struct sockaddr_un *address,
                                   struct base_fault *fault) {
  struct stat info;
  if (lstat(address->sun_path, &info) != 0 && errno == ENOENT) return BASE_OK;
  for (int i = 0; is_answered(address); i++) {
    if (i == LOOKS)
      return BASE_FAIL(fault, BASE_CONFLICT, "socket", "somebody listens at %.100s already", address->sun_path);
    system_wait(system, REST_MS);
  }
  if (unlink(address->sun_path) == 0 || errno == ENOENT) return BASE_OK;
  return BASE_FAIL_ERRNO(fault, "socket", "cannot remove %.100s", address->sun_path);
}

static enum base_result open_at(const struct system *system, const struct sockaddr_un *address, int fd,
                                struct base_fault *fault) {
  // Nobody gets in between these two.
  const mode_t before = umask(0777);
  const int bound = bind(fd, (const struct sockaddr *)address, sizeof(*address));
  umask(before);
  if (bound != 0) return BASE_FAIL_ERRNO(fault, "socket", "cannot listen at %.100s", address->sun_path);
  if (geteuid() == 0 && chown(address->sun_path, 0, system->group) != 0)
    return BASE_FAIL_ERRNO(fault, "socket", "cannot give %.100s to %.40s", address->sun_path, system->arguments->user);
  if (chmod(address->sun_path, SOCKET_MODE) != 0 || listen(fd, BACKLOG) != 0)
    return BASE_FAIL_ERRNO(fault, "socket", "cannot listen at %.100s", address->sun_path);
  return BASE_OK;
}

enum base_result agent_listen(const struct system *system, int *out, struct base_fault *fault) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char folder[sizeof(address.sun_path)];
  *out = -1;
  if (!base_span_copy(base_span_text(system->arguments->socket), address.sun_path, sizeof(address.sun_path)))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "--socket is longer than %zu characters", sizeof(folder) - 1);
  strcpy(folder, address.sun_path);
  if (mkdir(dirname(folder), FOLDER_MODE) != 0 && errno != EEXIST)
    return BASE_FAIL_ERRNO(fault, "socket", "cannot make the folder of %.100s", address.sun_path);
  enum base_result result = clear_path(system, &address, fault);
  if (result != BASE_OK) return result;
  *out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*out < 0) return BASE_FAIL_ERRNO(fault, "socket", "no socket to listen at");
  result = open_at(system, &address, *out, fault);
  if (result != BASE_OK) base_fd_close(out);
  return result;
}

static void take_clients(struct clients *clients, int listener) {
  for (int i = 0; i < BACKLOG; i++) {
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      clients_add(clients, fd);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      // Out of descriptors or memory: those who wait would make this loop spin.
      if (errno != EAGAIN) system_wait(clients->system, REST_MS);
      return;
    }
  }
}

void agent_run(struct system *system, int listener, int signal_fd) {
  struct clients clients;
  struct watchdog watchdog;
  clients_init(&clients, system);
  watchdog_init(&watchdog, system);
  for (;;) {
    struct pollfd polled[POLLED_CLIENTS + CLIENTS_MAX] = {
        [POLLED_SIGNAL] = {.fd = signal_fd, .events = POLLIN},
        [POLLED_LISTENER] = {.fd = listener, .events = POLLIN},
    };
    const unsigned most_ms = watchdog_tend(&watchdog);
    clients_prepare(&clients, polled + POLLED_CLIENTS);
    if (poll(polled, POLLED_CLIENTS + CLIENTS_MAX, (int)clients_next_ms(&clients, most_ms)) < 0) continue;
    if (polled[POLLED_SIGNAL].revents != 0) break;
    clients_serve(&clients, polled + POLLED_CLIENTS);
    if (polled[POLLED_LISTENER].revents != 0) take_clients(&clients, listener);
  }
  system_stop(system);
  clients_finish(&clients);
  watchdog_finish(&watchdog);
}
