// A stand-in for a decoder that has been taken over: confined by the real one's code, then it does what the word in the
// file says (deeds.c, and those below that need the request). A deed that is refused is answered with
// BASE_UNPROCESSABLE, subject "denied" and the errno's text; one that works with BASE_OK.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine.h"
#include "deeds.h"
#include "sandbox/protocol.h"

enum { MAX_WORD = 64, PIXEL_BYTES = 4096 };

struct answer {
  struct sandbox_report_reply reply;
  char word[MAX_WORD];
  int pixels;  // -1: none
};

static void answer_init(struct answer *answer, uint16_t operation) {
  struct sandbox_report_reply *reply = &answer->reply;
  memset(answer, 0, sizeof *answer);
  answer->pixels = -1;
  reply->reply.magic = SANDBOX_PROTOCOL_MAGIC;
  reply->reply.version = SANDBOX_PROTOCOL_VERSION;
  reply->reply.operation = operation;
  reply->reply.header = (struct image_header){.format = IMAGE_FILE_PNG,
                                              .width = 4,
                                              .height = 4,
                                              .orientation = IMAGE_UPRIGHT,
                                              .colour = IMAGE_COLOUR_RGB,
                                              .bits = 8};
  reply->report.format = IMAGE_FILE_PNG;
  reply->report.colour = IMAGE_COLOUR_RGB;
  reply->report.bits = 8;
  reply->report.channels = 3;
  reply->report.width = reply->report.height = 4;
  reply->report.frames = 1;
}

static void say(const struct answer *answer) {
  const bool is_report = answer->reply.reply.operation == SANDBOX_REPORT;
  const size_t bytes = is_report ? sizeof answer->reply : sizeof answer->reply.reply;
  if (send(SANDBOX_SOCKET_FD, &answer->reply, bytes, MSG_NOSIGNAL) < 0) _exit(1);
}

// Until the limit says no, as a decoder of a bomb would.
static void eat_memory(struct sandbox_reply *reply) {
  volatile char *last = NULL;
  for (char *more; (more = malloc(64 << 20)) != NULL;) {
    last = more;
  }
  reply->result = last ? BASE_NO_MEMORY : BASE_INTERNAL;
  snprintf(reply->subject, sizeof reply->subject, "memory");
}

static void *keep_changing(void *pixels) {
  volatile uint8_t *byte = pixels;
  volatile bool is_going_on = true;
  while (is_going_on) (*byte)++;
  return NULL;
}

// A thread of ours goes on writing to the pixels that pixpopd has taken over.
static void change_pixels_later(const struct answer *answer) {
  pthread_t thread;
  void *pixels = mmap(NULL, PIXEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, answer->pixels, 0);
  if (pixels == MAP_FAILED || pthread_create(&thread, NULL, keep_changing, pixels) != 0) _exit(1);
}

// Reports that no honest decoder gives.
static bool lie(struct image_report *report, const char *word) {
  if (strcmp(word, "lie-rule") == 0) {
    report->finding_count = 1;
    report->findings[0].rule = IMAGE_RULE_COUNT;
  } else if (strcmp(word, "lie-count") == 0) {
    report->finding_count = UINT32_MAX;
  } else if (strcmp(word, "lie-text") == 0) {
    report->finding_count = report->rule_counts[0] = 1;
    memset(report->findings[0].text, 'x', sizeof report->findings[0].text);
  } else if (strcmp(word, "lie-line") == 0) {
    strcpy(report->exif.model, "two\nlines");
  } else if (strcmp(word, "lie-format") == 0) {
    report->format = IMAGE_FILE_FORMAT_COUNT;
  } else if (strcmp(word, "lie-flag") == 0) {
    memset(&report->has_xmp, 2, 1);
  } else {
    return false;
  }
  return true;
}

static void act(struct answer *answer) {
  struct sandbox_reply *reply = &answer->reply.reply;
  if (strcmp(answer->word, "memory") == 0) {
    eat_memory(reply);
  } else if (strcmp(answer->word, "babble") == 0) {
    say(answer);
  } else if (strcmp(answer->word, "pixels-later") == 0) {
    if (answer->pixels >= 0) change_pixels_later(answer);
  } else if (!lie(&answer->reply.report, answer->word)) {
    const long result = deed_do(answer->word);
    if (result == -1) {
      reply->result = BASE_UNPROCESSABLE;
      snprintf(reply->subject, sizeof reply->subject, "denied");
      snprintf(reply->text, sizeof reply->text, "%s: %s", answer->word, strerrorname_np(errno));
    } else if (result == DEED_UNKNOWN) {
      reply->result = BASE_UNSUPPORTED;
    }
  }
}

// The word is the file's first line. Read by mapping it, since there is no other way.
static void read_word(int file, char *out) {
  const char *text = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, 0);
  if (text == MAP_FAILED) _exit(1);
  for (size_t i = 0; i + 1 < MAX_WORD && text[i] != '\n' && text[i] != '\0'; i++) out[i] = text[i];
  munmap((void *)(uintptr_t)text, 1);
}

static void take_descriptors(struct msghdr *message, struct answer *answer) {
  int descriptors[SANDBOX_MAX_DESCRIPTORS] = {-1, -1};
  const struct cmsghdr *rights = CMSG_FIRSTHDR(message);
  if (!rights) _exit(1);
  memcpy(descriptors, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
  read_word(descriptors[0], answer->word);
  answer->pixels = descriptors[1];
  close(descriptors[0]);
}

int main(int argc, char **argv) {
  static struct answer answer;
  const char *failed;
  if (argc != 3) return 2;
  answer_init(&answer, SANDBOX_READY);
  struct sandbox_isolation *isolation = &answer.reply.reply.isolation;
  if (!confine(strtoull(argv[1], NULL, 10), (uint32_t)strtoul(argv[2], NULL, 10), isolation, &failed)) return 1;
#ifndef WITHOUT_SECCOMP
  confine_calls(isolation);
#endif
  say(&answer);
  for (;;) {
    struct sandbox_request request;
    char control[CMSG_SPACE(SANDBOX_MAX_DESCRIPTORS * sizeof(int))];
    struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(SANDBOX_SOCKET_FD, &message, 0) <= 0) return 0;
    answer_init(&answer, request.operation);
    take_descriptors(&message, &answer);
    act(&answer);
    if (answer.pixels >= 0) close(answer.pixels);
    say(&answer);
  }
}
