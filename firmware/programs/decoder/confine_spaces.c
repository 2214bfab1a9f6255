#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

enum { SPACES = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP };

// The root folder becomes an empty file system of one inode that can not be written to. Where the old root can not be
// swapped out (an initial RAM file system), it is left by chroot.
static bool empty_root(void) {
  static const char *const places[] = {"/tmp", "/run", "/dev", "/proc", "/usr"};
  bool is_mounted = false;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return false;
  for (size_t i = 0; i < sizeof places / sizeof *places && !is_mounted; i++) {
    is_mounted =
        mount("none", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2,mode=0555") == 0 &&
        chdir(places[i]) == 0;
  }
  if (!is_mounted) return false;
  // pivot_root(2): the new root over the old one in one place, then the old one, which lies on top, is taken off.
  const bool is_swapped = syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0;
  if (!is_swapped && chroot(".") != 0) return false;
  if (chdir("/") != 0) return false;
  mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  return true;
}

static void add_spaces(struct sandbox_isolation *out) {
  out->parts |= SANDBOX_NAMESPACES;
  if (empty_root()) out->parts |= SANDBOX_EMPTY_ROOT;
}

static bool become(uint32_t uid) {
  return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0;
}

// Inside a user namespace of one's own there are all of them, over nothing but itself.
static bool drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return syscall(SYS_capset, &header, none) == 0;
}

bool confine_spaces(uint32_t uid, struct sandbox_isolation *out) {
  const bool is_root = geteuid() == 0;
  if (is_root && unshare(SPACES) == 0) add_spaces(out);
  if (is_root) {
    if (!become(uid)) return false;
    out->parts |= SANDBOX_OWN_USER;
  }
  out->uid = geteuid();  // before nobody is mapped any more
  const bool has_spaces = (out->parts & SANDBOX_NAMESPACES) != 0;
  if (unshare(CLONE_NEWUSER | (has_spaces ? 0 : SPACES)) == 0) {
    out->parts |= SANDBOX_USER_NAMESPACE;
    if (!has_spaces) add_spaces(out);
  }
  if (drop_capabilities()) out->parts |= SANDBOX_NO_CAPABILITIES;
  return true;
}
