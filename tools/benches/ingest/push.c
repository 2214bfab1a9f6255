// push WAY STREAMS HOST PORT PATH HEADER FILE...: uploads every file once over STREAMS connections that live on, and
// prints one line of JSON. The same client for every server, so that only the servers differ. HEADER ("Name: value", or
// "") goes along with each request.
//
// WAY is
//   tus        creation, then PATCH in chunks of 5 MiB, each acknowledged before the next. The last byte goes alone,
//   once
//              every file of the round is there but for it: "received" is the time until all else was acknowledged,
//              with the same work for a server that checks pictures at the end as for one that does not; "done" the
//              time until the last byte was, too.
//   multipart  one POST a file, a form with the field `image`. "received": the last byte has been handed to the kernel.
//   put        one PUT a file, to PATH/NUMBER; "received" as above.
// Behind "hold-" the same ways measure the memory of a connection: STREAMS connections send half of the first file's
// first chunk (half of the file where there are no chunks), "held" is printed, and all are let go when stdin ends.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES = 5 << 20, HEAD_BYTES = 4096, MAX_STREAMS = 4096 };

static struct {
  const char *way, *host, *path, *header;
  int port;
  size_t streams, file_count;
  char **files;
} task;

static struct {
  pthread_mutex_t lock;
  size_t next;
  pthread_barrier_t all_received;
  double received_s, done_s;  // of a round, summed over rounds
  double started, latest_received;
  uint64_t bytes;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct stream {
  pthread_t thread;
  int socket;
  char head[HEAD_BYTES];
  char reply[HEAD_BYTES];
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what, ...) {
  va_list arguments;
  va_start(arguments, what);
  fputs("push: ", stderr);
  vfprintf(stderr, what, arguments);
  fputs("\n", stderr);
  exit(1);
}

static void open_connection(struct stream *stream) {
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)task.port)};
  inet_pton(AF_INET, task.host, &address.sin_addr);
  stream->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (stream->socket < 0 || connect(stream->socket, (struct sockaddr *)&address, sizeof address) != 0)
    die("cannot connect: %s", strerror(errno));
  setsockopt(stream->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void send_all(struct stream *stream, const char *bytes, size_t count, int flags) {
  while (count > 0) {
    const ssize_t sent = send(stream->socket, bytes, count, MSG_NOSIGNAL | flags);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) die("cannot send: %s", strerror(errno));
    bytes += sent;
    count -= (size_t)sent;
  }
}

static void send_file_part(struct stream *stream, int fd, uint64_t offset, uint64_t count) {
  off_t at = (off_t)offset;
  while (count > 0) {
    const ssize_t sent = sendfile(stream->socket, fd, &at, count);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) die("cannot send the file: %s", sent < 0 ? strerror(errno) : "it ended");
    count -= (uint64_t)sent;
  }
}

static void send_head(struct stream *stream, bool has_body, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int used = vsnprintf(stream->head, HEAD_BYTES, format, arguments);
  va_end(arguments);
  used += snprintf(stream->head + used, HEAD_BYTES - (size_t)used, "Host: %s:%d\r\n%s%s\r\n", task.host, task.port,
                   task.header, task.header[0] != '\0' ? "\r\n" : "");
  if (used >= HEAD_BYTES) die("the head is too long");
  send_all(stream, stream->head, (size_t)used, has_body ? MSG_MORE : 0);
}

static const char *field(const struct stream *stream, const char *name, char out[HEAD_BYTES]) {
  const char *line = strcasestr(stream->reply, name);
  if (line == NULL) return NULL;
  line += strlen(name);
  const size_t chars = strcspn(line, "\r");
  memcpy(out, line, chars);
  out[chars] = '\0';
  return out;
}

// Reads a reply whole: its head, and a body of Content-Length or in chunks up to the last. Returns the status.
static int read_reply(struct stream *stream) {
  size_t used = 0;
  const char *end = NULL;
  while (end == NULL) {
    const ssize_t got = recv(stream->socket, stream->reply + used, HEAD_BYTES - 1 - used, 0);
    if (got <= 0) die("the server closed the connection");
    used += (size_t)got;
    stream->reply[used] = '\0';
    end = strstr(stream->reply, "\r\n\r\n");
    if (end == NULL && used == HEAD_BYTES - 1) die("the reply's head is too long");
  }
  char text[HEAD_BYTES], scratch[HEAD_BYTES], tail[5] = "";
  size_t body = used - (size_t)(end + 4 - stream->reply);
  const char *length = field(stream, "\r\nContent-Length: ", text);
  const bool is_chunked = field(stream, "\r\nTransfer-Encoding: ", scratch) != NULL;
  const size_t wanted = length != NULL ? strtoull(length, NULL, 10) : 0;
  memcpy(tail, used >= 4 ? stream->reply + used - 4 : "", used >= 4 ? 4 : 0);
  while (is_chunked ? strcmp(tail, "\r\n\r\n") != 0 || body < 5 : body < wanted) {
    const ssize_t got = recv(stream->socket, scratch, sizeof scratch, 0);
    if (got <= 0) die("the server closed the connection within a reply");
    body += (size_t)got;
    if (got >= 4) memcpy(tail, scratch + got - 4, 4);
  }
  return atoi(stream->reply + 9);
}

static void expect(struct stream *stream, int status) {
  const int got = read_reply(stream);
  if (got != status) die("expected status %d: %.600s", status, stream->reply);
}

static void create(struct stream *stream, uint64_t bytes, char path[HEAD_BYTES]) {
  char text[HEAD_BYTES];
  send_head(stream, false,
            "POST %s HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Length: %" PRIu64 "\r\nContent-Length: 0\r\n",
            task.path, bytes);
  expect(stream, 201);
  const char *location = field(stream, "\r\nLocation: ", text);
  if (location == NULL) die("no Location");
  const char *authority = strstr(location, "://");
  strcpy(path, authority != NULL ? strchr(authority + 3, '/') : location);
}

static void send_patch_head(struct stream *stream, const char *path, uint64_t offset, uint64_t bytes) {
  send_head(stream, true,
            "PATCH %s HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %" PRIu64 "\r\nContent-Length: %" PRIu64
            "\r\nContent-Type: application/offset+octet-stream\r\n",
            path, offset, bytes);
}

static void patch(struct stream *stream, const char *path, int fd, uint64_t offset, uint64_t bytes) {
  send_patch_head(stream, path, offset, bytes);
  send_file_part(stream, fd, offset, bytes);
  expect(stream, 204);
}

// All streams have come here: returns the moment. Every stream takes part in every round.
static double meet(void) {
  pthread_barrier_wait(&run.all_received);
  return now();
}

static void push_tus(struct stream *stream, int fd, uint64_t bytes) {
  char path[HEAD_BYTES];
  create(stream, bytes, path);
  for (uint64_t offset = 0; offset + 1 < bytes;) {
    const uint64_t left = bytes - 1 - offset, chunk = left < CHUNK_BYTES ? left : CHUNK_BYTES;
    patch(stream, path, fd, offset, chunk);
    offset += chunk;
  }
  const double received = meet();
  pthread_mutex_lock(&run.lock);
  if (received > run.latest_received) run.latest_received = received;
  pthread_mutex_unlock(&run.lock);
  patch(stream, path, fd, bytes - 1, 1);
}

static void note_sent(void) {
  const double sent = now();
  pthread_mutex_lock(&run.lock);
  if (sent > run.latest_received) run.latest_received = sent;
  pthread_mutex_unlock(&run.lock);
}

static const char form_begin[] =
    "--push\r\nContent-Disposition: form-data; name=\"image\"; filename=\"photo\"\r\n"
    "Content-Type: application/octet-stream\r\n\r\n";
static const char form_end[] = "\r\n--push--\r\n";

static void send_form_head(struct stream *stream, uint64_t bytes) {
  send_head(stream, true,
            "POST %s HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=push\r\nContent-Length: %" PRIu64 "\r\n",
            task.path, sizeof form_begin - 1 + bytes + sizeof form_end - 1);
  send_all(stream, form_begin, sizeof form_begin - 1, MSG_MORE);
}

static void push_multipart(struct stream *stream, int fd, uint64_t bytes) {
  send_form_head(stream, bytes);
  send_file_part(stream, fd, 0, bytes);
  send_all(stream, form_end, sizeof form_end - 1, 0);
  note_sent();
  expect(stream, 201);
}

static void send_put_head(struct stream *stream, uint64_t bytes, size_t number) {
  send_head(stream, true, "PUT %s/%zu HTTP/1.1\r\nContent-Length: %" PRIu64 "\r\n", task.path, number, bytes);
}

static void push_put(struct stream *stream, int fd, uint64_t bytes, size_t number) {
  send_put_head(stream, bytes, number);
  send_file_part(stream, fd, 0, bytes);
  note_sent();
  expect(stream, 201);
}

static void push_file(struct stream *stream, size_t number) {
  struct stat info;
  const int fd = open(task.files[number], O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &info) != 0) die("cannot open %s", task.files[number]);
  const uint64_t bytes = (uint64_t)info.st_size;
  if (task.way[0] == 't')
    push_tus(stream, fd, bytes);
  else if (task.way[0] == 'm')
    push_multipart(stream, fd, bytes);
  else
    push_put(stream, fd, bytes, number);
  close(fd);
  pthread_mutex_lock(&run.lock);
  run.bytes += bytes;
  pthread_mutex_unlock(&run.lock);
}

// Rounds of one file a stream; between them everybody waits, so that the times of a round can be taken.
static void *work(void *argument) {
  struct stream *stream = argument;
  open_connection(stream);
  for (size_t round = 0; round < task.file_count / task.streams; round++) {
    pthread_barrier_wait(&run.all_received);
    pthread_mutex_lock(&run.lock);
    if (run.started == 0) run.started = now();
    const size_t number = run.next++;
    pthread_mutex_unlock(&run.lock);
    push_file(stream, number);
    if (pthread_barrier_wait(&run.all_received) == PTHREAD_BARRIER_SERIAL_THREAD) {
      run.received_s += run.latest_received - run.started;
      run.done_s += now() - run.started;
      run.started = run.latest_received = 0;
    }
    pthread_barrier_wait(&run.all_received);
  }
  close(stream->socket);
  return NULL;
}

static void hold_one(struct stream *stream, const char *way, int fd, uint64_t bytes, size_t number) {
  char path[HEAD_BYTES];
  open_connection(stream);
  if (way[0] == 't') {
    create(stream, bytes, path);
    const uint64_t chunk = bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES;
    send_patch_head(stream, path, 0, chunk);
    send_file_part(stream, fd, 0, chunk / 2);
  } else {
    if (way[0] == 'm')
      send_form_head(stream, bytes);
    else
      send_put_head(stream, bytes, number);
    send_file_part(stream, fd, 0, bytes / 2);
  }
}

static void hold(struct stream *streams, const char *way) {
  struct stat info;
  const int fd = open(task.files[0], O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &info) != 0) die("cannot open %s", task.files[0]);
  for (size_t i = 0; i < task.streams; i++) hold_one(&streams[i], way, fd, (uint64_t)info.st_size, i);
  puts("held");
  fflush(stdout);
  while (getchar() != EOF) continue;
}

int main(int argc, char **argv) {
  if (argc < 8) die("usage: push [hold-]tus|multipart|put STREAMS HOST PORT PATH HEADER FILE...");
  task.way = argv[1];
  task.streams = strtoul(argv[2], NULL, 10);
  task.host = argv[3];
  task.port = atoi(argv[4]);
  task.path = argv[5];
  task.header = argv[6];
  task.files = argv + 7;
  task.file_count = (size_t)argc - 7;
  if (task.streams < 1 || task.streams > MAX_STREAMS) die("1 to %d streams", MAX_STREAMS);
  struct stream *streams = calloc(task.streams, sizeof *streams);
  if (streams == NULL) die("no memory");
  if (strncmp(task.way, "hold-", 5) == 0) return hold(streams, task.way + 5), 0;
  if (task.file_count % task.streams != 0) die("the files do not spread evenly over the streams");
  pthread_barrier_init(&run.all_received, NULL, (unsigned)task.streams);
  for (size_t i = 0; i < task.streams; i++) {
    if (pthread_create(&streams[i].thread, NULL, work, &streams[i]) != 0) die("cannot start a thread");
  }
  for (size_t i = 0; i < task.streams; i++) pthread_join(streams[i].thread, NULL);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"bytes\": %" PRIu64 ", \"received_s\": %.6f, \"done_s\": %.6f, \"client_cpu_s\": %.3f}\n", run.bytes,
         run.received_s, run.done_s, cpu);
  return 0;
}
