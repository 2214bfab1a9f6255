#include "deeds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/protocol.h"

// System calls without the C library around them, which would try others or intercept them.

static long open_to_read(void) { return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC); }
static long open_to_write(void) { return syscall(SYS_openat, AT_FDCWD, "/tmp/escaped", O_WRONLY | O_CREAT, 0600); }
static long open_own_memory(void) { return syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR); }
static long open_proc(void) { return syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY); }
static long open_folder(void) { return syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY); }
static long open_with_how(void) {
  const unsigned long how[3] = {O_RDONLY, 0, 0};
  return syscall(437, AT_FDCWD, "/etc/passwd", how, sizeof how);
}
static long status_of_file(void) {
  char status[256];
  return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", status, 0);
}
static long make_memory_file(void) { return syscall(SYS_memfd_create, "escaped", 0); }
static long unlink_file(void) { return syscall(SYS_unlinkat, AT_FDCWD, "/tmp/escaped", 0); }

static long socket_internet(void) { return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }
static long socket_local(void) { return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }
static long connect_out(void) {
  const struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof to);
}
static long connect_own_socket(void) {
  const struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
  return syscall(SYS_connect, SANDBOX_SOCKET_FD, &to, sizeof to);
}
static long send_descriptor(void) {
  char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  return syscall(SYS_sendmsg, SANDBOX_SOCKET_FD, &message, 0);
}

static long execute(void) {
  char *arguments[] = {NULL}, *environment[] = {NULL};
  return syscall(SYS_execve, "/bin/true", arguments, environment);
}
static long execute_at(void) {
  char *arguments[] = {NULL}, *environment[] = {NULL};
  return syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, environment, 0);
}
static long trace(void) { return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }
static long trace_parent(void) { return syscall(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0); }
static long fork_away(void) {
  const long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid;
}
static long clone_with_space(void) { return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }
static long clone_new_kind(void) { return syscall(435, NULL, 0); }
static long kill_everybody(void) { return syscall(SYS_kill, -1, SIGKILL); }
static long kill_first(void) { return syscall(SYS_kill, 1, SIGTERM); }
static long kill_thread_of_other(void) { return syscall(SYS_tgkill, 1, 1, SIGTERM); }
static long read_other_memory(void) {
  char byte;
  struct iovec here = {&byte, 1}, there = {&byte, 1};
  return syscall(SYS_process_vm_readv, getppid(), &here, 1, &there, 1, 0);
}

static long mount_something(void) { return syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL); }
static long leave_spaces(void) { return syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS); }
static long enter_space(void) { return syscall(SYS_setns, SANDBOX_SOCKET_FD, 0); }
static long change_root(void) { return syscall(SYS_chroot, "/"); }
static long become_root(void) { return syscall(SYS_setresuid, 0, 0, 0); }
static long raise_limits(void) {
  const unsigned long limit[2] = {~0ul, ~0ul};
  return syscall(SYS_prlimit64, 0, 9 /* RLIMIT_AS */, limit, NULL);
}
static long drop_filter(void) { return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0); }
static long stack_filter(void) { return syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL); }

static long map_code(void) {
  const long at = syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == -1 ? -1 : 0;
}
static long make_code(void) {
  static char page[8192];
  char *start = (char *)(((unsigned long)page + 4095) & ~4095ul);
  return syscall(SYS_mprotect, start, 4096, PROT_READ | PROT_EXEC);
}
static long use_ring(void) { return syscall(425, 1, NULL); }
static long load_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0); }
static long open_counter(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static long handle_faults(void) { return syscall(SYS_userfaultfd, 0); }
static long add_key(void) { return syscall(SYS_keyctl, 0, 0); }
static long shrink_file(void) { return syscall(SYS_ftruncate, SANDBOX_SOCKET_FD + 1, 0); }
static long inject_terminal(void) { return syscall(SYS_ioctl, 0, 0x5412, "x"); }
static long call_old_way(void) {
#ifdef __x86_64__
  long result;
  // getpid by the door for 32-bit programs: harmless itself, but its numbers mean other calls.
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
  return result;
#else
  return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
#endif
}

static void *nothing(void *argument) { return argument; }
static long start_thread(void) {
  pthread_t thread;
  errno = pthread_create(&thread, NULL, nothing, NULL);
  return errno ? -1 : pthread_join(thread, NULL);
}
static long divide_text(void) {
  raise(SIGSEGV);
  return 0;
}
static long give_up(void) { abort(); }
static long go_on_for_ever(void) {
  volatile bool is_going_on = true;
  while (is_going_on) continue;
  return 0;
}
static long ignore_limit(void) { return syscall(SYS_rt_sigaction, SIGXCPU, NULL, NULL, 8ul); }
// Computes after the answer, with the limit's signal blocked.
static void *compute(void *argument) {
  go_on_for_ever();
  return argument;
}
static long burn(void) {
  pthread_t thread;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  errno = pthread_create(&thread, NULL, compute, NULL);
  return errno ? -1 : pthread_detach(thread);
}
static long stop_here(void) {
  volatile bool is_waiting = true;
  while (is_waiting) sleep(1);
  return 0;
}
static long leave(void) { _exit(0); }

static const struct {
  const char *word;
  long (*deed)(void);
} deeds[] = {
    {"open-to-read", open_to_read},
    {"open-to-write", open_to_write},
    {"open-own-memory", open_own_memory},
    {"open-proc", open_proc},
    {"open-folder", open_folder},
    {"openat2", open_with_how},
    {"stat", status_of_file},
    {"memfd_create", make_memory_file},
    {"unlink", unlink_file},
    {"socket-internet", socket_internet},
    {"socket-local", socket_local},
    {"connect", connect_out},
    {"connect-own-socket", connect_own_socket},
    {"send-descriptor", send_descriptor},
    {"execve", execute},
    {"execveat", execute_at},
    {"ptrace", trace},
    {"ptrace-other", trace_parent},
    {"fork", fork_away},
    {"clone-space", clone_with_space},
    {"clone3", clone_new_kind},
    {"kill-all", kill_everybody},
    {"kill-first", kill_first},
    {"tgkill-other", kill_thread_of_other},
    {"process_vm_readv", read_other_memory},
    {"mount", mount_something},
    {"unshare", leave_spaces},
    {"setns", enter_space},
    {"chroot", change_root},
    {"setresuid", become_root},
    {"prlimit", raise_limits},
    {"prctl-seccomp", drop_filter},
    {"seccomp", stack_filter},
    {"mmap-exec", map_code},
    {"mprotect-exec", make_code},
    {"io_uring", use_ring},
    {"bpf", load_bpf},
    {"perf_event_open", open_counter},
    {"userfaultfd", handle_faults},
    {"keyctl", add_key},
    {"ftruncate", shrink_file},
    {"ioctl", inject_terminal},
    {"call-of-32-bits", call_old_way},
    {"thread", start_thread},
    {"crash", divide_text},
    {"abort", give_up},
    {"loop", go_on_for_ever},
    {"leave", leave},
    {"ignore-limit", ignore_limit},
    {"burn", burn},
    {"stop", stop_here},
};

long deed_do(const char *word) {
  for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
    if (strcmp(deeds[i].word, word) == 0) return deeds[i].deed();
  }
  return DEED_UNKNOWN;
}
