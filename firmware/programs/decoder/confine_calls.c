#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "confine.h"
#include "sandbox/protocol.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Memory, threads that exist, clocks, and an end. Names, not numbers: each architecture has its own.
static const char *const allowed[] = {
    "brk",          "munmap",      "mremap",          "madvise",       "futex",
    "futex_wait",   "futex_wake",  "set_robust_list", "rseq",          "rt_sigprocmask",
    "rt_sigreturn", "sigaltstack", "restart_syscall", "close",         "fstat",
    "getpid",       "gettid",      "getrandom",       "clock_gettime", "clock_getres",
    "gettimeofday", "nanosleep",   "clock_nanosleep", "sched_yield",   "sched_getaffinity",
    "sysinfo",      "exit",        "exit_group",
#ifdef DECODER_IS_SANITIZED
    "prctl",        "getrlimit",   "prlimit64",
#endif
};

// What libraries try and can do without: they are told no. Everything that is named nowhere here ends the process.
static const struct {
  const char *name;
  int error;
} refused[] = {
    {"clone3", ENOSYS},  // its flags lie in memory, out of a filter's sight; the C library goes on to clone
    {"ioctl", ENOTTY},
    {"uname", EPERM},
    {"sched_setaffinity", EPERM},
    {"sched_setscheduler", EPERM},
    {"sched_getscheduler", EPERM},
    {"sched_getparam", EPERM},
    {"setpriority", EPERM},
    {"access", EACCES},
    {"faccessat", EACCES},
    {"faccessat2", EACCES},
    {"stat", EACCES},
    {"lstat", EACCES},
    {"newfstatat", EACCES},
    {"statx", EACCES},
    {"readlink", EACCES},
    {"readlinkat", EACCES},
};

struct call {
  const char *name;
  struct scmp_arg_cmp condition;
};

// Of clone: a thread of this process and nothing else. No other process, no namespace.
static const uint64_t THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
static const uint64_t NO_THREAD = CLONE_VFORK | CLONE_PTRACE | CLONE_PARENT | CLONE_NEWNS | CLONE_NEWCGROUP |
                                  CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_IO;
// Of open: anything that is more than reading.
static const uint64_t WRITING = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_PATH;

// scmp_arg_cmp's macros are not constant expressions of C11 everywhere; this is.
static struct call when(const char *name, unsigned argument, enum scmp_compare how, uint64_t a, uint64_t b) {
  return (struct call){name, {.arg = argument, .op = how, .datum_a = a, .datum_b = b}};
}

static int add(scmp_filter_ctx filter, uint32_t action, struct call call) {
  const int number = seccomp_syscall_resolve_name(call.name);
  // A name that this architecture or this library does not have needs no rule.
  if (number == __NR_SCMP_ERROR) return 0;
  const int result = seccomp_rule_add_array(filter, action, number, 1, &call.condition);
  return result == -EDOM || result == -EOPNOTSUPP ? 0 : result;
}

static int add_by_name(scmp_filter_ctx filter) {
  int result = 0;
  for (size_t i = 0; i < COUNT(allowed) && result == 0; i++) {
    const int number = seccomp_syscall_resolve_name(allowed[i]);
    if (number != __NR_SCMP_ERROR) result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    if (result == -EDOM) result = 0;
  }
  for (size_t i = 0; i < COUNT(refused) && result == 0; i++) {
    const int number = seccomp_syscall_resolve_name(refused[i].name);
    const uint32_t action = SCMP_ACT_ERRNO((uint16_t)refused[i].error);
    if (number != __NR_SCMP_ERROR) result = seccomp_rule_add(filter, action, number, 0);
    if (result == -EDOM) result = 0;
  }
  return result;
}

static int add_by_argument(scmp_filter_ctx filter) {
  const uint32_t allow = SCMP_ACT_ALLOW, refuse = SCMP_ACT_ERRNO(EACCES);
  const pid_t self = getpid();
  const struct {
    uint32_t action;
    struct call call;
  } rules[] = {
      {allow, when("mmap", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
      {allow, when("mprotect", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
      {allow, when("clone", 0, SCMP_CMP_MASKED_EQ, THREAD | NO_THREAD, THREAD)},
      {allow, when("recvmsg", 0, SCMP_CMP_EQ, SANDBOX_SOCKET_FD, 0)},
      {allow, when("sendto", 0, SCMP_CMP_EQ, SANDBOX_SOCKET_FD, 0)},
      // What abort says: to nowhere, but not a crime. Sanitizers are heard there.
      {allow, when("write", 0, SCMP_CMP_EQ, STDERR_FILENO, 0)},
      {allow, when("writev", 0, SCMP_CMP_EQ, STDERR_FILENO, 0)},
      {allow, when("tgkill", 0, SCMP_CMP_EQ, (uint64_t)self, 0)},
      // The limit of processor time is no signal to be ignored or caught.
      {allow, when("rt_sigaction", 0, SCMP_CMP_NE, SIGXCPU, 0)},
      {refuse, when("rt_sigaction", 0, SCMP_CMP_EQ, SIGXCPU, 0)},
#ifndef DECODER_IS_SANITIZED
      {allow, when("prctl", 0, SCMP_CMP_EQ, PR_SET_NAME, 0)},
#endif
      // Libraries look for settings and for the number of processors.
      {refuse, when("open", 1, SCMP_CMP_MASKED_EQ, WRITING, 0)},
      {refuse, when("openat", 2, SCMP_CMP_MASKED_EQ, WRITING, 0)},
#ifndef DECODER_IS_SANITIZED
      {refuse, when("prctl", 0, SCMP_CMP_NE, PR_SET_NAME, 0)},
#endif
  };
  int result = 0;
  for (size_t i = 0; i < COUNT(rules) && result == 0; i++) result = add(filter, rules[i].action, rules[i].call);
  return result;
}

void confine_calls(struct sandbox_isolation *out) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (!filter) return;
  // A call of another architecture (32 bits on 64) ends the process as well, and threads there already are bound too.
  int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (result == 0) result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  if (result == 0) result = add_by_name(filter);
  if (result == 0) result = add_by_argument(filter);
  if (result == 0) result = seccomp_load(filter);
  seccomp_release(filter);
  if (result == 0) out->parts |= SANDBOX_SECCOMP;
}
