// One Ethernet interface as a network interface of lwIP: whole frames through an AF_PACKET socket.
//
// The kernel keeps no address on it and answers nothing there. One thread.
#ifndef RESCUE_PORT_H
#define RESCUE_PORT_H

#include <net/if.h>
#include <stdbool.h>

#include "base/result.h"
#include "lwip/netif.h"

struct port {
  int fd;  // -1: not open
  char name[IF_NAMESIZE];
  struct netif netif;
  bool is_added;  // to lwIP, for good: timers of its mDNS would outlive it
  bool is_gone;   // the kernel says that there is no such interface any more
  bool had_link;
};

// Opens the interface and adds it to lwIP, down; or opens it again after port_close. BASE_UNSUPPORTED for what is no
// Ethernet interface.
enum base_result port_open(struct port *port, const char *name, const char *host_name,
                           struct base_fault *fault) BASE_CHECKED;
// For an interface that has gone: lwIP sees no link.
void port_close(struct port *port);
// Hands at most `max_frames` waiting frames to lwIP; true when there may be more.
bool port_receive(struct port *port, unsigned max_frames);
// Is there a cable and somebody at its other end?
bool port_has_link(struct port *port);

#endif
