// decoder MEMORY_BYTES UID: reads pictures on behalf of pixpopd, in a process that holds nothing else.
//
// Started by the sandbox room with a socket as descriptor 3 (sandbox/protocol.h). Ends when the socket closes.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/span.h"
#include "confine.h"
#include "sandbox/protocol.h"
#include "serve.h"

static bool has_socket(void) {
  int type;
  socklen_t bytes = sizeof type;
  return getsockopt(SANDBOX_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_SEQPACKET;
}

int main(int argc, char **argv) {
  uint64_t memory_bytes, uid;
  const char *failed;
  struct sandbox_isolation isolation;
  if (argc != 3 || !base_span_to_u64(base_span_text(argv[1]), &memory_bytes) ||
      !base_span_to_u64(base_span_text(argv[2]), &uid) || uid > UINT32_MAX || !has_socket()) {
    fprintf(stderr, "decoder: started by pixpopd, not by hand\n");
    return EXIT_FAILURE;
  }
  if (!confine(memory_bytes, (uint32_t)uid, &isolation, &failed)) {
    serve_failure(SANDBOX_SOCKET_FD, failed, errno);
    return EXIT_FAILURE;
  }
  confine_calls(&isolation);
  return serve(SANDBOX_SOCKET_FD, &isolation) ? EXIT_SUCCESS : EXIT_FAILURE;
}
