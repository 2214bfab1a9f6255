// A stand-in for the decoder that does harm on demand: the first byte of the file it is asked about names the deed.
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/protocol.h"

static void say(const void *data, size_t bytes) {
  if (send(SANDBOX_SOCKET_FD, data, bytes, MSG_NOSIGNAL) < 0) _exit(1);
}

static struct sandbox_reply reply_to(unsigned operation) {
  struct sandbox_reply reply;
  memset(&reply, 0, sizeof reply);
  reply.magic = SANDBOX_PROTOCOL_MAGIC;
  reply.version = SANDBOX_PROTOCOL_VERSION;
  reply.operation = (uint16_t)operation;
  reply.header = (struct image_header){.format = IMAGE_FILE_PNG,
                                       .width = 4,
                                       .height = 4,
                                       .orientation = IMAGE_UPRIGHT,
                                       .colour = IMAGE_COLOUR_RGB,
                                       .bits = 8};
  return reply;
}

static void act(char deed, unsigned operation) {
  struct sandbox_reply reply = reply_to(operation);
  switch (deed) {
    case 'c':
      raise(SIGSEGV);
      break;  // crashes
    case 'x':
      raise(SIGKILL);
      break;  // is killed from outside
    case 'h':
      pause();
      break;  // hangs, asleep
    case 'l':
      for (volatile unsigned i = 0;; i++) continue;
      break;  // hangs, computing
    case 'i':
    case 'I':
      reply.result = deed == 'i' ? BASE_IO : BASE_INTERNAL;
      say(&reply, sizeof reply);
      break;  // says that it is not the picture's fault
    case 'e':
      _exit(0);
      break;  // ends politely
    case 's':
      say("short", 5);
      break;  // too short
    case 'm':
      reply.magic ^= 1;
      say(&reply, sizeof reply);
      break;  // a stray binary
    case 'u':
      reply.result = BASE_UNAUTHORIZED;
      say(&reply, sizeof reply);
      break;  // claims what it can not know
    case 'w':
      reply.header.width = 50000;
      say(&reply, sizeof reply);
      break;  // a size over the limits
    case 'o':
      reply.header.orientation = (enum image_orientation)77;
      say(&reply, sizeof reply);
      break;
    // Pictures that are none, or that the memory does not hold.
    case 'k':
      reply.picture.format = 7;
      say(&reply, sizeof reply);
      break;
    case '0':
    case '3':
    case '9':
      reply.picture = (struct sandbox_picture){.format = IMAGE_YUV, .chroma_x = 2, .chroma_y = 2};
      reply.picture.chroma_x = deed == '9' ? 255 : (uint8_t)(deed - '0');
      say(&reply, sizeof reply);
      break;
    case 'r':
      reply.picture = (struct sandbox_picture){.format = IMAGE_YUV, .range = 2, .chroma_x = 2, .chroma_y = 2};
      say(&reply, sizeof reply);
      break;
    case 'g':
      reply.picture = (struct sandbox_picture){.format = IMAGE_YUV, .chroma_x = 1, .chroma_y = 1, .is_grey = 1};
      reply.header.has_alpha = true;
      say(&reply, sizeof reply);
      break;
    case 'y':
      reply.picture = (struct sandbox_picture){.format = IMAGE_YUV, .chroma_x = 1, .chroma_y = 1};
      say(&reply, sizeof reply);
      break;  // fine, unless the file has alpha
    case 'd':
      say(&reply, sizeof reply);
      _exit(0);
      break;  // answers, then dies while idle
    case 'n':
      reply.result = BASE_NO_MEMORY;
      memset(reply.text, 7, sizeof reply.text);
      say(&reply, sizeof reply);
      break;
    default:
      say(&reply, sizeof reply);
  }
}

static char read_deed(struct msghdr *message) {
  int file;
  char deed = 0;
  struct cmsghdr *rights = CMSG_FIRSTHDR(message);
  if (!rights) _exit(1);
  memcpy(&file, CMSG_DATA(rights), sizeof file);
  if (pread(file, &deed, 1, 0) != 1) _exit(1);
  // A decoder must not be able to change what it reads, nor the size of what it fills.
  if (pwrite(file, "!", 1, 0) >= 0) deed = 'u';
  // Killed from outside, but only the first time: the place in the file is the one thing that outlives us.
  if (deed == 'f' && lseek(file, 0, SEEK_CUR) == 0 && lseek(file, 1, SEEK_SET) == 1) deed = 'x';
  close(file);
  if (rights->cmsg_len == CMSG_LEN(2 * sizeof file)) {
    int pixels;
    memcpy(&pixels, CMSG_DATA(rights) + sizeof file, sizeof pixels);
    if (ftruncate(pixels, 0) == 0 || ftruncate(pixels, 1 << 20) == 0) deed = 'u';
    close(pixels);
  }
  return deed;
}

int main(void) {
  struct sandbox_reply ready = reply_to(SANDBOX_READY);
  say(&ready, sizeof ready);
  for (;;) {
    struct sandbox_request request;
    char control[CMSG_SPACE(SANDBOX_MAX_DESCRIPTORS * sizeof(int))];
    struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(SANDBOX_SOCKET_FD, &message, 0) <= 0) return 0;
    act(read_deed(&message), request.operation);
  }
}
