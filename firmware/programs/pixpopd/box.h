// The box: every room, built in written order and taken down in reverse.
#ifndef PIXPOPD_BOX_H
#define PIXPOPD_BOX_H

#include <signal.h>

#include "delivery/delivery.h"
#include "settings/settings.h"
#include "arguments.h"

struct box;

// Sent to this process, which has it blocked, when a part that is made after the start turns out to be impossible; see
// box_check.
enum { BOX_FAILED = SIGUSR1 };

// Builds everything and starts to serve; the Vulkan device is opened meanwhile. Prints the addresses, the device and,
// at the first start, the token to stdout. `handover`: listeners that an earlier box left open, taken once the box gets
// to its delivery side; NULL: none. `arguments`: where the settings came from, for backups, and who is told of a long
// start. Borrowed until box_stop.
enum base_result box_start(const struct settings *settings, const struct arguments *arguments,
                           const struct delivery_handover *handover, struct box **out,
                           struct base_fault *fault) BASE_CHECKED;
// What a box that cannot go on ends with: BASE_DEVICE where a device must be there and is not. BASE_OK: nothing is
// wrong.
enum base_result box_check(struct box *box, struct base_fault *fault) BASE_CHECKED;
// Before box_stop: keeps the delivery side's listeners open beyond it.
enum base_result box_hand_over(struct box *box, struct delivery_handover *out, struct base_fault *fault) BASE_CHECKED;
// Drains and takes everything down.
void box_stop(struct box **box);
// --new-ledger: puts the ledger of a stopped box aside, so that the next start begins another; says so on stdout.
enum base_result box_renew_ledger(const struct settings *settings, struct base_fault *fault) BASE_CHECKED;
// SIGHUP: takes over what can change while running and logs what needs a restart. On a fault everything stays as it
// was.
void box_reload(struct box *box, const struct arguments *arguments);

// From time to time, once an hour or so: says what the day brings, at present that the certificate ends soon.
void box_watch(struct box *box);

#endif
