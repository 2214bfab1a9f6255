// All of the machine's Ethernet interfaces under lwIP: found and opened by themselves, addresses by DHCP (AutoIP when
// nobody answers) and IPv6 autoconfiguration, the host's name by mDNS.
#ifndef RESCUE_NETWORK_H
#define RESCUE_NETWORK_H

#include <poll.h>

#include "base/json.h"
#include "base/log.h"
#include "base/span.h"
#include "lwip/ip_addr.h"

enum { NETWORK_MAX_PORTS = 4, NETWORK_MAX_HOST_NAME = 63 };

struct network_config {
  const char *host_name;  // one label, without ".local"
  // NULL-terminated names; empty: every Ethernet interface, also those that come later.
  const char *const *interfaces;
  bool is_fixed;  // no DHCP: the first interface has these
  ip4_addr_t address, mask, gateway;
  struct base_log *log;
  // An address has come or gone.
  void (*changed)(void *self);
  void *self;
};

struct network;

// Borrows `config` for its life. There is one network a process, as lwIP's state is global.
enum base_result network_create(const struct network_config *config, struct network **out,
                                struct base_fault *fault) BASE_CHECKED;
// Writes one entry a port into `out` (NETWORK_MAX_PORTS of them); returns how many.
size_t network_fill_poll(const struct network *network, struct pollfd *out);
// Takes waiting frames of every port; true when there may be more.
bool network_receive(struct network *network);
// Once a second: interfaces and cables that came or went.
void network_look(struct network *network);
// Appends each address as one line, IPv4 first; text like "192.168.1.20" or "fe80::1".
void network_write_addresses(const struct network *network, struct base_buffer *out);
// Writes the member "interfaces": {"name", "mac", "has_link", "origin": "fixed" | "dhcp" | "autoip" | "none" of the
// IPv4 address, "addresses"}.
void network_write(const struct network *network, struct base_json_writer *json);

#endif
