#include "network.h"

#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lwip/apps/mdns.h"
#include "lwip/autoip.h"
#include "lwip/dhcp.h"
#include "port.h"

enum { FRAMES_A_TURN = 64, MAX_ADDRESS_LINES = 1024 };
_Static_assert(NETWORK_MAX_PORTS == PORT_MAX, "lwIP's pools are as large as the network");

struct network {
  const struct network_config *config;
  struct port ports[NETWORK_MAX_PORTS];
  bool is_fixed_taken;  // by a port
};

static struct network network;

static void address_changed(struct netif *netif) {
  (void)netif;
  network.config->changed(network.config->self);
}

static void describe_service(struct mdns_service *service, void *self) {
  static const char path[] = "path=/";
  (void)self;
  mdns_resp_add_service_txtitem(service, path, sizeof path - 1);
}

static void start_port(struct port *port) {
  struct netif *netif = &port->netif;
  netif_set_status_callback(netif, address_changed);
  netif_create_ip6_linklocal_address(netif, 1);
  netif_set_ip6_autoconfig_enabled(netif, 1);
  mdns_resp_add_netif(netif, network.config->host_name, 120);
  mdns_resp_add_service(netif, network.config->host_name, "_https", DNSSD_PROTO_TCP, 443, 120, describe_service, NULL);
  netif_set_up(netif);
  if (netif_default == NULL) netif_set_default(netif);
  if (network.config->is_fixed && !network.is_fixed_taken) {
    network.is_fixed_taken = true;
    netif_set_addr(netif, &network.config->address, &network.config->mask, &network.config->gateway);
  } else {
    dhcp_start(netif);
  }
}

// The one of that name, also when it had gone; else a free one; else NULL.
static struct port *place_of(const char *name) {
  struct port *unused = NULL;
  for (size_t i = NETWORK_MAX_PORTS; i-- > 0;) {
    struct port *port = &network.ports[i];
    if (port->is_added && strcmp(port->name, name) == 0) return port;
    if (!port->is_added) unused = port;
  }
  return unused;
}

static void add_port(const char *name, bool is_named) {
  static char refused[NETWORK_MAX_PORTS][IF_NAMESIZE];  // said once each
  static size_t refusals;
  struct base_fault fault = {0};
  struct port *port = place_of(name);
  if (port == NULL || port->fd >= 0) return;
  const bool is_new = !port->is_added;
  if (port_open(port, name, network.config->host_name, &fault) == BASE_OK) {
    if (is_new) start_port(port);
    base_log_write(network.config->log, BASE_LOG_INFO, "network", NULL, "%s is in use", name);
    return;
  }
  if (fault.result == BASE_UNSUPPORTED && !is_named) return;
  for (size_t i = 0; i < refusals; i++) {
    if (strcmp(refused[i], name) == 0) return;
  }
  if (refusals < NETWORK_MAX_PORTS) snprintf(refused[refusals++], IF_NAMESIZE, "%s", name);
  base_log_fault(network.config->log, BASE_LOG_WARN, "network", NULL, &fault);
}

// Wireless ones want a password, which nobody could tell us.
static bool is_wireless(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/sys/class/net/%s/wireless", name);
  return access(path, F_OK) == 0;
}

static void add_ports(void) {
  if (network.config->interfaces[0] != NULL) {
    for (const char *const *name = network.config->interfaces; *name != NULL; name++) {
      if (if_nametoindex(*name) != 0) add_port(*name, true);
    }
    return;
  }
  struct if_nameindex *all = if_nameindex();
  for (const struct if_nameindex *one = all; one != NULL && one->if_index != 0; one++) {
    if (!is_wireless(one->if_name)) add_port(one->if_name, false);
  }
  if (all != NULL) if_freenameindex(all);
}

void network_look(struct network *self) {
  add_ports();
  for (size_t i = 0; i < NETWORK_MAX_PORTS; i++) {
    struct port *port = &self->ports[i];
    if (port->fd < 0) continue;
    bool has_link = port_has_link(port);
    if (port->is_gone) {
      base_log_write(self->config->log, BASE_LOG_WARN, "network", NULL, "%s has gone", port->name);
      port_close(port);
      continue;
    }
    if (has_link == port->had_link) continue;
    port->had_link = has_link;
    base_log_write(self->config->log, BASE_LOG_INFO, "network", NULL, "%s: %s", port->name,
                   has_link ? "the link is up" : "there is no link");
    if (has_link) {
      netif_set_link_up(&port->netif);
    } else {
      netif_set_link_down(&port->netif);
    }
    self->config->changed(self->config->self);
  }
  // Through a port that is connected, where there is one.
  for (size_t i = 0; i < NETWORK_MAX_PORTS; i++) {
    if (netif_default != NULL && netif_is_link_up(netif_default) && !ip4_addr_isany(netif_ip4_gw(netif_default))) break;
    struct port *port = &self->ports[i];
    if (port->fd >= 0 && port->had_link && !ip4_addr_isany(netif_ip4_gw(&port->netif))) netif_set_default(&port->netif);
  }
}

enum base_result network_create(const struct network_config *config, struct network **out, struct base_fault *fault) {
  if (strlen(config->host_name) > NETWORK_MAX_HOST_NAME)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "host-name", "a host name has at most %d characters",
                     NETWORK_MAX_HOST_NAME);
  network.config = config;
  for (size_t i = 0; i < NETWORK_MAX_PORTS; i++) network.ports[i].fd = -1;
  mdns_resp_init();
  *out = &network;
  network_look(&network);
  return BASE_OK;
}

size_t network_fill_poll(const struct network *self, struct pollfd *out) {
  size_t count = 0;
  for (size_t i = 0; i < NETWORK_MAX_PORTS; i++) {
    if (self->ports[i].fd >= 0) out[count++] = (struct pollfd){.fd = self->ports[i].fd, .events = POLLIN};
  }
  return count;
}

bool network_receive(struct network *self) {
  bool has_more = false;
  for (size_t i = 0; i < NETWORK_MAX_PORTS; i++) {
    if (self->ports[i].fd >= 0 && port_receive(&self->ports[i], FRAMES_A_TURN)) has_more = true;
  }
  return has_more;
}

// As RFC 5952 wants it; lwIP writes capitals.
static enum base_result write_ip6(const ip6_addr_t *address, struct base_buffer *out) {
  char text[IP6ADDR_STRLEN_MAX + 1];
  if (ip6addr_ntoa_r(address, text, sizeof text) == NULL) return BASE_INTERNAL;
  for (char *c = text; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
  return base_buffer_printf(out, "%s\n", text);
}

static enum base_result write_addresses(const struct netif *netif, bool is_6, struct base_buffer *out) {
  enum base_result result = BASE_OK;
  if (!netif_is_link_up(netif)) return BASE_OK;
  if (!is_6) {
    return ip4_addr_isany(netif_ip4_addr(netif)) ? BASE_OK
                                                 : base_buffer_printf(out, "%s\n", ip4addr_ntoa(netif_ip4_addr(netif)));
  }
  for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES && result == BASE_OK; i++) {
    if (!ip6_addr_isvalid(netif_ip6_addr_state(netif, i))) continue;
    result = write_ip6(netif_ip6_addr(netif, i), out);
  }
  return result;
}

void network_write_addresses(const struct network *self, struct base_buffer *out) {
  enum base_result result = BASE_OK;
  for (int is_6 = 0; is_6 < 2; is_6++) {
    for (size_t i = 0; i < NETWORK_MAX_PORTS && result == BASE_OK; i++) {
      if (self->ports[i].fd >= 0) result = write_addresses(&self->ports[i].netif, is_6, out);
    }
  }
}

static const char *origin_of(const struct network *self, const struct netif *netif) {
  if (ip4_addr_isany(netif_ip4_addr(netif))) return "none";
  if (dhcp_supplied_address(netif)) return "dhcp";
  if (autoip_supplied_address(netif)) return "autoip";
  return self->config->is_fixed ? "fixed" : "none";
}

static void write_port(const struct network *self, const struct port *port, struct base_json_writer *json) {
  const uint8_t *mac = port->netif.hwaddr;
  struct base_buffer text;
  char mac_text[32];
  snprintf(mac_text, sizeof mac_text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  base_json_object(json, NULL);
  base_json_string(json, "name", port->name);
  base_json_string(json, "mac", mac_text);
  base_json_bool(json, "has_link", port->fd >= 0 && netif_is_link_up(&port->netif));
  base_json_string(json, "origin", origin_of(self, &port->netif));
  base_buffer_init(&text, MAX_ADDRESS_LINES);
  json->result = json->result != BASE_OK ? json->result : write_addresses(&port->netif, false, &text);
  json->result = json->result != BASE_OK ? json->result : write_addresses(&port->netif, true, &text);
  struct base_span rest = base_buffer_span(&text);
  base_json_array(json, "addresses");
  while (rest.bytes > 0) base_json_text(json, NULL, base_span_cut(&rest, '\n'));
  base_json_array_end(json);
  base_buffer_finish(&text);
  base_json_object_end(json);
}

void network_write(const struct network *self, struct base_json_writer *json) {
  base_json_array(json, "interfaces");
  for (size_t i = 0; i < NETWORK_MAX_PORTS; i++) {
    if (self->ports[i].is_added) write_port(self, &self->ports[i], json);
  }
  base_json_array_end(json);
}
