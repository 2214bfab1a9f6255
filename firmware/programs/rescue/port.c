#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/pbuf.h"
#include "netif/ethernet.h"

enum {
  FRAME_BYTES = 65536,  // the kernel merges frames of a connection into one (GRO)
  SOCKET_BYTES = 4 << 20,
  MIN_MTU = 576,
  MAX_MTU = 1500,
  VLAN_ID = 0xfff,
};

// pbufs hold less than 64 KB.
_Static_assert(FRAME_BYTES - 1 == UINT16_MAX, "a frame's length is a u16_t");

static void name_request(struct ifreq *request, const char *name) {
  memset(request, 0, sizeof *request);
  snprintf(request->ifr_name, sizeof request->ifr_name, "%s", name);
}

static err_t send_frame(struct netif *netif, struct pbuf *frame) {
  static uint8_t bytes[FRAME_BYTES];
  struct port *port = netif->state;
  u16_t length = pbuf_copy_partial(frame, bytes, sizeof bytes - 1, 0);
  if (send(port->fd, bytes, length, MSG_DONTWAIT) >= 0) return ERR_OK;
  // TCP keeps what could not be sent for another time.
  return errno == EAGAIN || errno == ENOBUFS ? ERR_MEM : ERR_IF;
}

static err_t set_up(struct netif *netif) {
  struct port *port = netif->state;
  struct ifreq request;
  name_request(&request, port->name);
  if (ioctl(port->fd, SIOCGIFHWADDR, &request) < 0) return ERR_IF;
  memcpy(netif->hwaddr, request.ifr_hwaddr.sa_data, ETH_HWADDR_LEN);
  netif->hwaddr_len = ETH_HWADDR_LEN;
  name_request(&request, port->name);
  int mtu = ioctl(port->fd, SIOCGIFMTU, &request) < 0 ? MAX_MTU : request.ifr_mtu;
  netif->mtu = (u16_t)(mtu < MIN_MTU ? MIN_MTU : mtu > MAX_MTU ? MAX_MTU : mtu);
  netif->mtu6 = netif->mtu;
  netif->name[0] = 'e';
  netif->name[1] = 'n';
  netif->flags |= NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
  netif->output = etharp_output;
  netif->output_ip6 = ethip6_output;
  netif->linkoutput = send_frame;
  return ERR_OK;
}

// Best effort: without /proc the kernel has no say in these either.
static void write_switch(const char *family, const char *name, const char *key, const char *value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, name, key);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, value, strlen(value)) < 0) {
    // It stays as it was.
  }
  close(fd);
}

// The kernel must not answer on this interface: the same MAC would give it the same link-local address.
static void silence_kernel(const char *name) {
  write_switch("ipv6", name, "disable_ipv6", "1");
  write_switch("ipv4", name, "arp_ignore", "8");
}

static enum base_result open_socket(struct port *port, struct base_fault *fault) {
  struct ifreq request;
  port->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (port->fd < 0) return BASE_FAIL_ERRNO(fault, port->name, "no socket for Ethernet frames (this wants root)");
  name_request(&request, port->name);
  if (ioctl(port->fd, SIOCGIFINDEX, &request) < 0) return BASE_FAIL_ERRNO(fault, port->name, "no such interface");
  const int index = request.ifr_ifindex;
  if (ioctl(port->fd, SIOCGIFHWADDR, &request) < 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
    return BASE_FAIL(fault, BASE_UNSUPPORTED, port->name, "this is no Ethernet interface");
  silence_kernel(port->name);
  name_request(&request, port->name);
  if (ioctl(port->fd, SIOCGIFFLAGS, &request) < 0) return BASE_FAIL_ERRNO(fault, port->name, "its flags");
  request.ifr_flags |= IFF_UP;
  if (ioctl(port->fd, SIOCSIFFLAGS, &request) < 0)
    return BASE_FAIL_ERRNO(fault, port->name, "it can not be brought up");

  const int on = 1, bytes = SOCKET_BYTES;
  const struct packet_mreq all = {.mr_ifindex = index, .mr_type = PACKET_MR_ALLMULTI};
  if (setsockopt(port->fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0 ||
      setsockopt(port->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0)
    return BASE_FAIL_ERRNO(fault, port->name, "the socket's options");
  // Older kernels do without: what we send ourselves is dropped below.
  (void)setsockopt(port->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  (void)setsockopt(port->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  (void)setsockopt(port->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  const struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
  if (bind(port->fd, (const struct sockaddr *)&address, sizeof address) < 0)
    return BASE_FAIL_ERRNO(fault, port->name, "the socket can not be bound");
  return BASE_OK;
}

enum base_result port_open(struct port *port, const char *name, const char *host_name, struct base_fault *fault) {
  snprintf(port->name, sizeof port->name, "%s", name);
  port->is_gone = port->had_link = false;
  enum base_result result = open_socket(port, fault);
  if (result == BASE_OK && port->is_added) {
    if (set_up(&port->netif) != ERR_OK) result = BASE_FAIL(fault, BASE_IO, name, "the interface has no address");
  } else if (result == BASE_OK) {
    port->is_added =
        netif_add(&port->netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4, port, set_up, ethernet_input) != NULL;
    if (!port->is_added) result = BASE_FAIL(fault, BASE_NO_MEMORY, name, "no room for another interface");
  }
  if (result != BASE_OK) {
    base_fd_close(&port->fd);
    return result;
  }
  netif_set_hostname(&port->netif, host_name);
  return BASE_OK;
}

void port_close(struct port *port) {
  netif_set_link_down(&port->netif);
  base_fd_close(&port->fd);
}

static bool is_ours(const struct sockaddr_ll *from, struct msghdr *message, bool *is_checked) {
  *is_checked = false;
  if (from->sll_pkttype == PACKET_OUTGOING || from->sll_pkttype == PACKET_OTHERHOST) return false;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item != NULL; item = CMSG_NXTHDR(message, item)) {
    if (item->cmsg_level != SOL_PACKET || item->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(item), sizeof aux);
    // The kernel takes the tag off: frames of other VLANs would look like ours.
    if ((aux.tp_status & TP_STATUS_VLAN_VALID) && (aux.tp_vlan_tci & VLAN_ID) != 0) return false;
    // Not filled in yet (a sender on this machine, or merged), or looked at by the hardware.
    *is_checked = (aux.tp_status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID)) != 0;
  }
  return true;
}

static void hand_in(struct port *port, const uint8_t *bytes, u16_t length, bool is_checked) {
  NETIF_SET_CHECKSUM_CTRL(
      &port->netif, is_checked ? NETIF_CHECKSUM_ENABLE_ALL & ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)
                               : NETIF_CHECKSUM_ENABLE_ALL);
  struct pbuf *frame = pbuf_alloc(PBUF_RAW, length, PBUF_POOL);
  if (frame == NULL) return;  // as if the cable had lost it
  pbuf_take(frame, bytes, length);
  if (port->netif.input(frame, &port->netif) != ERR_OK) pbuf_free(frame);
}

bool port_receive(struct port *port, unsigned max_frames) {
  static uint8_t bytes[FRAME_BYTES];
  for (unsigned i = 0; i < max_frames; i++) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    struct sockaddr_ll from;
    struct iovec piece = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t length = recvmsg(port->fd, &message, MSG_DONTWAIT);
    if (length < 0 && (errno == ENXIO || errno == ENODEV)) port->is_gone = true;
    if (length <= 0) return false;
    bool is_checked;
    if (length > UINT16_MAX || (message.msg_flags & MSG_TRUNC) || !is_ours(&from, &message, &is_checked)) continue;
    hand_in(port, bytes, (u16_t)length, is_checked);
  }
  return true;
}

bool port_has_link(struct port *port) {
  struct ifreq request;
  name_request(&request, port->name);
  if (ioctl(port->fd, SIOCGIFFLAGS, &request) < 0) {
    if (errno == ENODEV || errno == ENXIO) port->is_gone = true;
    return false;
  }
  return (request.ifr_flags & IFF_RUNNING) != 0;
}
