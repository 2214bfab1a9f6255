#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "bundle.h"
#include "command.h"
#include "complain.h"
#include "sending.h"
#include "terminal.h"

static const char page[] =
    "pixpop update - install an update bundle on an appliance\n"
    "\n"
    "Usage: pixpop [OPTIONS] update FILE [--older] [--reboot]\n"
    "\n"
    "Sends a bundle (.pixpop) to the box, which checks its signature, board and version before it touches anything,\n"
    "writes it into the slot that does not run, and reads it back from the disk. The box serves all the while. The new\n"
    "version starts with the next boot; if it does not come up healthy, the box goes back to the one that runs now.\n"
    "What breaks off, is damaged or is refused changes nothing of what runs.\n"
    "\n"
    "Without --console (and PIXPOP_CONSOLE) on the appliance itself: asks its system program, without a token.\n"
    "\n"
    "Options:\n"
    "      --older              take a version that is older than the one that runs (never one below the floor)\n"
    "      --reboot             then restart the box, and wait until it is back and healthy\n"
    "      --socket PATH        where the system program listens (/run/pixpop/system.sock)\n"
    "\n"
    "Examples:\n"
    "  export PIXPOP_CONSOLE=https://box.local:8443 PIXPOP_FINGERPRINT=AB:CD:...\n"
    "  pixpop --token-file token update pixpop-generic-x86_64-1.2.0.pixpop --reboot\n"
    "  pixpop --token-file token slots                      # what runs, and what boots next\n"
    "\n"
    "Exit status: 0 installed (with --reboot: and it runs and is healthy), 1 failed, 2 wrong usage\n";

static int send_file(struct appliance *appliance, struct sending *sending) {
  char version[APPLIANCE_MAX_NAME], slot[APPLIANCE_MAX_NAME];
  const int status = appliance->socket != NULL ? sending_by_socket(sending) : sending_by_api(sending);
  if (status != EXIT_FINE) return status;
  printf("version %s is in slot %s and boots next\n", terminal_clean(sending->version, version, sizeof(version)),
         terminal_clean(sending->slot, slot, sizeof(slot)));
  if (appliance->options->reboot) return fflush(stdout), appliance_restart(appliance);
  puts("until the box is restarted (pixpop slots reboot) it serves as before");
  return EXIT_FINE;
}

// Nothing is sent that is no bundle, or not all of one.
static enum base_result open_bundle(const char *path, struct sending *sending, struct base_fault *fault) {
  struct update_manifest manifest;
  struct update_head head;
  enum base_result result = bundle_open(path, &sending->fd, &head, &manifest, &sending->bytes, fault);
  if (result == BASE_OK) result = bundle_check_size(&head, &manifest, sending->bytes, fault);
  update_head_finish(&head);
  return result;
}

static int run(const struct options *options) {
  struct appliance appliance;
  const char *path = options->words[0];
  const char *slash = strrchr(path, '/');
  struct sending sending = {.appliance = &appliance, .path = slash != NULL ? slash + 1 : path, .fd = -1};
  struct base_fault fault = {0};
  if (open_bundle(path, &sending, &fault) != BASE_OK) {
    base_fd_close(&sending.fd);
    return complain_fault(path, &fault), EXIT_FAILED;
  }
  int status = appliance_open(options, &appliance);
  if (status == EXIT_FINE) status = send_file(&appliance, &sending);
  appliance_close(&appliance);
  base_fd_close(&sending.fd);
  return status;
}

const struct command command_update = {"update", "install an update bundle on an appliance", page, "FILE", 1, 1, run};
