// slow_uploads: many clients at once, each sending one picture to a console in pieces over a while, then reading the
// reply. Plain HTTP to 127.0.0.1, one thread, one epoll.
//
//   slow_uploads --port P --token T --file F.jpg [--connections N] [--seconds S] [--pieces K] [--tus] [--same] [--wait]
//
// Each client sends a picture of its own: the JPEG with a comment that carries the client's number; with --same all
// send the file as it is. By default as a multipart form, with --tus as a created upload and one PATCH. "open N" is
// printed when every client has begun; with --wait the second pieces are sent once something comes on standard input.
// At the end comes one JSON object with the outcome.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HEAD = 1024, REPLY_BYTES = 1024, MAX_STATUS = 600, COMMENT_BYTES = 24, PATIENCE_S = 600 };

static const char boundary[] = "slow-uploads-boundary";

static struct {
  int port, connections, seconds, pieces;
  const char *token, *path;
  bool is_tus, is_same, waits;
} options = {.connections = 100, .seconds = 10, .pieces = 5};

static uint8_t *picture;
static size_t picture_bytes;

enum phase { UNBORN, CREATING, SENDING, READING, DONE, FAILED };

struct client {
  int fd;
  enum phase phase;
  unsigned pieces_due;  // how many may be sent by now
  size_t sent;
  size_t head_bytes;
  char *head;
  size_t reply_bytes;
  char *reply;
  int status;
};

static struct client *clients;
static int epoll_fd;
static int opened, completed, failed, connect_errors, cut_off;
static int statuses[MAX_STATUS];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void read_picture(void) {
  FILE *file = fopen(options.path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) die(options.path);
  long bytes = ftell(file);
  rewind(file);
  picture_bytes = (size_t)bytes;
  picture = malloc(picture_bytes);
  if (bytes < 4 || !picture || fread(picture, 1, picture_bytes, file) != picture_bytes) die(options.path);
  fclose(file);
}

// What stands between the picture's first two bytes (SOI) and the rest: a comment segment.
static size_t write_comment(int number, uint8_t out[COMMENT_BYTES + 1]) {
  if (options.is_same) return 0;
  static const uint8_t marker[] = {0xff, 0xfe, 0, COMMENT_BYTES - 2};
  memcpy(out, marker, sizeof marker);
  snprintf((char *)out + sizeof marker, COMMENT_BYTES + 1 - sizeof marker, "client %013d", number);
  return COMMENT_BYTES;
}

static size_t file_bytes(void) { return picture_bytes + (options.is_same ? 0 : COMMENT_BYTES); }

static size_t tail_of(char out[64]) {
  return options.is_tus ? 0 : (size_t)snprintf(out, 64, "\r\n--%s--\r\n", boundary);
}

// The request's bytes from `offset`, at most `capacity`: head, picture with its comment, tail.
static size_t copy_request(const struct client *client, size_t offset, uint8_t *out, size_t capacity) {
  uint8_t comment[COMMENT_BYTES + 1];
  char tail[64];
  const size_t comment_bytes = write_comment((int)(client - clients), comment);
  const struct {
    const void *data;
    size_t bytes;
  } parts[] = {{client->head, client->head_bytes},
               {picture, 2},
               {comment, comment_bytes},
               {picture + 2, picture_bytes - 2},
               {tail, tail_of(tail)}};
  size_t copied = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (offset >= parts[i].bytes) {
      offset -= parts[i].bytes;
      continue;
    }
    size_t step = parts[i].bytes - offset;
    if (step > capacity - copied) step = capacity - copied;
    memcpy(out + copied, (const uint8_t *)parts[i].data + offset, step);
    copied += step;
    offset = 0;
  }
  return copied;
}

static size_t request_bytes(const struct client *client) {
  char tail[64];
  return client->head_bytes + file_bytes() + tail_of(tail);
}

static void write_form_head(struct client *client) {
  char part[256], tail[64];
  const int part_bytes = snprintf(part, sizeof part,
                                  "--%s\r\nContent-Disposition: form-data; name=\"image\"; filename=\"%zd.jpg\"\r\n"
                                  "Content-Type: image/jpeg\r\n\r\n",
                                  boundary, client - clients);
  client->head_bytes =
      (size_t)snprintf(client->head, MAX_HEAD,
                       "POST /api/v1/originals HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                       "Authorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=%s\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       options.token, boundary, (size_t)part_bytes + file_bytes() + tail_of(tail), part);
}

static void write_create(struct client *client) {
  client->head_bytes = (size_t)snprintf(client->head, MAX_HEAD,
                                        "POST /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\n"
                                        "Authorization: Bearer %s\r\nUpload-Length: %zu\r\nContent-Length: 0\r\n\r\n",
                                        options.token, file_bytes());
}

static void write_patch(struct client *client, const char *path, int path_bytes) {
  client->head_bytes = (size_t)snprintf(client->head, MAX_HEAD,
                                        "PATCH %.*s HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\n"
                                        "Connection: close\r\nAuthorization: Bearer %s\r\nUpload-Offset: 0\r\n"
                                        "Content-Type: application/offset+octet-stream\r\nContent-Length: %zu\r\n\r\n",
                                        path_bytes, path, options.token, file_bytes());
}

static void end(struct client *client, bool is_complete) {
  close(client->fd);
  free(client->head);
  free(client->reply);
  client->head = client->reply = NULL;
  client->phase = is_complete ? DONE : FAILED;
  if (is_complete) {
    completed++;
    statuses[client->status]++;
  } else {
    failed++;
  }
}

static void watch(struct client *client, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u32 = (uint32_t)(client - clients)};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, client->fd, &event) != 0) die("epoll_ctl");
}

// Sends what is due. The first piece is the head (and what of the picture belongs to it).
static void send_due(struct client *client) {
  uint8_t bytes[16384];
  const bool is_whole = client->phase == CREATING;
  const size_t total = is_whole ? client->head_bytes : request_bytes(client);
  size_t due = is_whole ? total : total * client->pieces_due / (unsigned)options.pieces;
  if (due < client->head_bytes && client->pieces_due > 0) due = client->head_bytes;
  while (client->sent < due) {
    size_t step = due - client->sent < sizeof bytes ? due - client->sent : sizeof bytes;
    step = copy_request(client, client->sent, bytes, step);
    ssize_t sent = send(client->fd, bytes, step, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
      watch(client, EPOLLIN | EPOLLOUT);
      return;
    }
    if (sent < 0) {  // there may be a reply all the same
      watch(client, EPOLLIN);
      client->phase = READING;
      return;
    }
    client->sent += (size_t)sent;
  }
  watch(client, EPOLLIN);
  if (client->sent == total && !is_whole) client->phase = READING;
}

static void begin(struct client *client) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  client->head = malloc(MAX_HEAD);
  client->reply = malloc(REPLY_BYTES + 1);
  if (client->fd < 0 || !client->head || !client->reply) die("a client");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)(client - clients)};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0) die("epoll_ctl");
  if (options.is_tus) {
    write_create(client);
  } else {
    write_form_head(client);
  }
  client->phase = options.is_tus ? CREATING : SENDING;
  if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    connect_errors++;
    end(client, false);
  }
  opened++;
}

// The reply to a creation names the upload; goes on with its PATCH.
static void take_location(struct client *client) {
  const char *end_of_head = strstr(client->reply, "\r\n\r\n");
  if (!end_of_head) return;
  const char *location = strcasestr(client->reply, "\r\nLocation: ");
  if (strncmp(client->reply, "HTTP/1.1 201", 12) != 0 || !location) {
    fprintf(stderr, "%s\n", client->reply);
    end(client, false);
    return;
  }
  location += sizeof "\r\nLocation: " - 1;
  int bytes = (int)strcspn(location, "\r");
  const char *scheme = strstr(location, "://");
  if (scheme && scheme < location + bytes) {
    const char *path = strchr(scheme + 3, '/');
    bytes -= (int)(path - location);
    location = path;
  }
  write_patch(client, location, bytes);
  client->phase = SENDING;
  client->reply_bytes = client->sent = 0;
  send_due(client);
}

static void receive(struct client *client) {
  for (;;) {
    char rest[4096];
    const size_t room = REPLY_BYTES - client->reply_bytes;
    ssize_t got =
        recv(client->fd, room > 0 ? client->reply + client->reply_bytes : rest, room > 0 ? room : sizeof rest, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      client->reply[client->reply_bytes] = '\0';
      const bool is_complete =
          sscanf(client->reply, "HTTP/1.1 %d", &client->status) == 1 && client->status < MAX_STATUS;
      if (!is_complete) cut_off++;
      end(client, is_complete);
      return;
    }
    if (room > 0) client->reply_bytes += (size_t)got;
    client->reply[client->reply_bytes] = '\0';
    if (client->phase == CREATING) {
      take_location(client);
      return;
    }
  }
}

static void handle(struct client *client, uint32_t events) {
  if (client->phase == UNBORN || client->phase >= DONE) return;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(client);
  if ((events & EPOLLOUT) && (client->phase == SENDING || client->phase == CREATING)) send_due(client);
}

// Sends piece after piece to client after client; piece k of client i is due at (k + i / N) intervals.
static void send_pieces(uint64_t *cursor, uint64_t end, uint64_t passed_ms) {
  const uint64_t interval_ms = (uint64_t)options.seconds * 1000 / (unsigned)options.pieces;
  for (; *cursor < end && *cursor * interval_ms / (unsigned)options.connections <= passed_ms; ++*cursor) {
    struct client *client = &clients[*cursor % (unsigned)options.connections];
    if (client->phase == UNBORN) begin(client);
    client->pieces_due++;
    if (client->phase == SENDING) send_due(client);
  }
}

static void await_word(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (poll(&input, 1, 0) == 1) options.waits = false;
}

static void run(uint64_t begin_ms) {
  const uint64_t first = (unsigned)options.connections, all = first * (unsigned)options.pieces;
  uint64_t cursor = 0, held_ms = 0, held_since_ms = 0;
  bool has_said = false;
  while (completed + failed < options.connections && now_ms() - begin_ms < PATIENCE_S * 1000u) {
    if (options.waits && cursor == first) {
      if (held_since_ms == 0) held_since_ms = now_ms();
      await_word();
      if (!options.waits) held_ms = now_ms() - held_since_ms;
    }
    send_pieces(&cursor, options.waits ? first : all, now_ms() - begin_ms - held_ms);
    if (!has_said && opened == options.connections) {
      printf("open %d\n", opened);
      fflush(stdout);
      has_said = true;
    }
    struct epoll_event events[512];
    int count = epoll_wait(epoll_fd, events, 512, cursor < all ? 5 : 500);
    for (int i = 0; i < count; i++) handle(&clients[events[i].data.u32], events[i].events);
  }
}

static void parse(int argc, char **argv) {
  static const struct option table[] = {
      {"port", 1, NULL, 'p'},    {"token", 1, NULL, 't'},  {"file", 1, NULL, 'f'}, {"connections", 1, NULL, 'n'},
      {"seconds", 1, NULL, 's'}, {"pieces", 1, NULL, 'k'}, {"tus", 0, NULL, 'T'},  {"same", 0, NULL, 'S'},
      {"wait", 0, NULL, 'W'},    {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
    switch (option) {
      case 'p':
        options.port = atoi(optarg);
        break;
      case 't':
        options.token = optarg;
        break;
      case 'f':
        options.path = optarg;
        break;
      case 'n':
        options.connections = atoi(optarg);
        break;
      case 's':
        options.seconds = atoi(optarg);
        break;
      case 'k':
        options.pieces = atoi(optarg);
        break;
      case 'T':
        options.is_tus = true;
        break;
      case 'S':
        options.is_same = true;
        break;
      case 'W':
        options.waits = true;
        break;
      default:
        exit(2);
    }
  }
  if (options.port > 0 && options.token && options.path && options.connections > 0 && options.pieces > 0) return;
  fputs(
      "slow_uploads --port P --token T --file F.jpg [--connections N] [--seconds S] [--pieces K] [--tus] [--same] "
      "[--wait]\n",
      stderr);
  exit(2);
}

int main(int argc, char **argv) {
  parse(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  read_picture();
  clients = calloc((size_t)options.connections, sizeof *clients);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (!clients || epoll_fd < 0) die("start");
  const uint64_t begin_ms = now_ms();
  run(begin_ms);
  printf(
      "{\"connections\":%d,\"completed\":%d,\"failed\":%d,\"cut_off\":%d,\"connect_errors\":%d,\"ms\":%llu,\"statuses\":{",
      options.connections, completed, options.connections - completed, cut_off, connect_errors,
      (unsigned long long)(now_ms() - begin_ms));
  const char *comma = "";
  for (int i = 0; i < MAX_STATUS; i++) {
    if (statuses[i] > 0) printf("%s\"%d\":%d", comma, i, statuses[i]);
    if (statuses[i] > 0) comma = ",";
  }
  puts("}}");
  free(clients);
  free(picture);
  return completed == options.connections ? 0 : 1;
}
