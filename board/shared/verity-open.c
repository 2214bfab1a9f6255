// verity-open NAME DEVICE BLOCKS ROOT_HASH SALT: puts a verified block device at /dev/mapper/NAME.
//
// For the initramfs: static, without libdevmapper. DEVICE holds BLOCKS blocks of 4096 bytes of data and behind them the
// SHA-256 hash tree without a superblock (veritysetup format --no-superblock). A block that does not fit stops the
// kernel (panic_on_corruption), which starts again (panic=) and so uses up one of the slot's tries.
// Kernel: Documentation/admin-guide/device-mapper/verity.rst.
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { ROOM_BYTES = 16384, BLOCK_SECTORS = 8, CONTROL_MAJOR = 10, CONTROL_MINOR = 236 };

union order {
  struct dm_ioctl head;
  char bytes[ROOM_BYTES];
};

static int fail(const char *what) {
  fprintf(stderr, "verity-open: %s: %s\n", what, strerror(errno));
  return 1;
}

// is_hex: an even number of lower-case hexadecimal digits, so that nothing else gets into the kernel's table.
static int is_hex(const char *text) {
  const size_t length = strlen(text);
  return length > 0 && length <= 128 && length % 2 == 0 && strspn(text, "0123456789abcdef") == length;
}

static void begin(union order *order, const char *name, unsigned flags) {
  memset(order, 0, sizeof *order);
  order->head.version[0] = DM_VERSION_MAJOR;
  order->head.data_size = sizeof *order;
  order->head.data_start = sizeof order->head;
  order->head.flags = flags;
  snprintf(order->head.name, sizeof order->head.name, "%s", name);
}

static int open_control(void) {
  (void)mkdir("/dev/mapper", 0755);
  (void)mknod("/dev/mapper/control", S_IFCHR | 0600, makedev(CONTROL_MAJOR, CONTROL_MINOR));
  return open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
}

int main(int count, char **values) {
  static union order order;
  if (count != 6 || strlen(values[1]) >= DM_NAME_LEN || strchr(values[1], '/') || !is_hex(values[4]) ||
      !is_hex(values[5])) {
    fprintf(stderr, "usage: verity-open NAME DEVICE BLOCKS ROOT_HASH SALT\n");
    return 2;
  }
  const char *name = values[1], *device = values[2];
  char *end;
  const unsigned long long blocks = strtoull(values[3], &end, 10);
  if (*end != '\0' || blocks == 0 || blocks > 1ULL << 32) {
    fprintf(stderr, "verity-open: '%s' is no number of blocks\n", values[3]);
    return 2;
  }

  const int control = open_control();
  if (control < 0) return fail("/dev/mapper/control");
  begin(&order, name, 0);
  if (ioctl(control, DM_DEV_CREATE, &order) != 0) return fail("the device can not be made");

  begin(&order, name, DM_READONLY_FLAG);
  order.head.target_count = 1;
  struct dm_target_spec *target = (struct dm_target_spec *)(order.bytes + order.head.data_start);
  target->length = blocks * BLOCK_SECTORS;
  snprintf(target->target_type, sizeof target->target_type, "verity");
  char *table = (char *)(target + 1);
  const size_t room = (size_t)(order.bytes + sizeof order - table);
  const int length = snprintf(table, room, "1 %s %s 4096 4096 %llu %llu sha256 %s %s 1 panic_on_corruption", device,
                              device, blocks, blocks, values[4], values[5]);
  if (length < 0 || (size_t)length >= room) return fail("the table is too long");
  target->next = (unsigned)((sizeof *target + (size_t)length + 1 + 7) & ~(size_t)7);
  if (ioctl(control, DM_TABLE_LOAD, &order) != 0) return fail("the kernel refuses the table");

  begin(&order, name, 0);
  if (ioctl(control, DM_DEV_SUSPEND, &order) != 0) return fail("the device does not start");
  char path[DM_NAME_LEN + sizeof "/dev/mapper/"];
  snprintf(path, sizeof path, "/dev/mapper/%s", name);
  if (mknod(path, S_IFBLK | 0600, (dev_t)order.head.dev) != 0 && errno != EEXIST) return fail(path);
  return 0;
}
