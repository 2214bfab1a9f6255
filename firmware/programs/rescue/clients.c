#include "clients.h"

#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "http/parser.h"
#include "http/problem.h"
#include "lwip/altcp.h"
#include "lwip/altcp_tcp.h"
#include "lwip/altcp_tls.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "secure.h"

enum phase {
  FREE,
  READING,    // a request
  UPLOADING,  // its body goes to api->install
  CHECKING,   // all of it has come; the install is not over
  SENDING,    // a reply
  LINGERING,  // a reply that ends the connection was sent
};

enum {
  BACKLOG = 8,
  WRITE_BYTES = 4096,
  UPLOAD_PBUFS = 1024,
};

struct client {
  enum phase phase;
  struct altcp_pcb *pcb;  // NULL: it has gone
  bool is_secure;
  uint8_t address[HTTP_CLIENT_BYTES];
  uint64_t since_ms;     // the phase began
  uint64_t active_ms;    // bytes came or went
  struct pbuf *waiting;  // received, not looked at
  bool is_ended;         // the client sends no more
  size_t head_bytes;
  uint64_t body_left;  // of an upload
  bool is_closing;     // after the reply
  struct base_buffer reply;
  size_t sent;
  uint8_t head[CLIENTS_HEAD_BYTES];
};

struct clients {
  struct api *api;
  uint64_t now_ms;
  struct client all[CLIENTS_MAX];
};

static struct clients *clients;

static void enter(struct client *client, enum phase phase) {
  client->phase = phase;
  client->since_ms = client->active_ms = clients->now_ms;
}

static void free_client(struct client *client) {
  if (client->phase == UPLOADING) install_end(clients->api->install, false);
  if (client->waiting != NULL) pbuf_free(client->waiting);
  base_buffer_finish(&client->reply);
  client->waiting = NULL;
  client->pcb = NULL;
  client->phase = FREE;
}

static void cut(struct client *client) {
  struct altcp_pcb *pcb = client->pcb;
  free_client(client);
  if (pcb == NULL) return;
  altcp_arg(pcb, NULL);
  altcp_recv(pcb, NULL);
  altcp_err(pcb, NULL);
  altcp_abort(pcb);
}

static void close_client(struct client *client) {
  struct altcp_pcb *pcb = client->pcb;
  const bool is_secure = client->is_secure;
  free_client(client);
  if (pcb == NULL) return;
  altcp_arg(pcb, NULL);
  altcp_recv(pcb, NULL);
  altcp_err(pcb, NULL);
  // While it lingers it may be thrown out for a new one.
  altcp_setprio(pcb, TCP_PRIO_MIN);
  if (is_secure) secure_goodbye(pcb);
  if (altcp_close(pcb) != ERR_OK) altcp_abort(pcb);
}

// lwIP's callbacks.

static err_t note_bytes(void *self, struct altcp_pcb *pcb, struct pbuf *bytes, err_t error) {
  struct client *client = self;
  (void)error;
  if (client == NULL) {
    if (bytes != NULL) {
      altcp_recved(pcb, bytes->tot_len);
      pbuf_free(bytes);
    }
    return ERR_OK;
  }
  if (bytes == NULL) {
    client->is_ended = true;
  } else if (client->waiting == NULL) {
    client->waiting = bytes;
  } else {
    pbuf_cat(client->waiting, bytes);
  }
  return ERR_OK;
}

static void note_end(void *self, err_t error) {
  struct client *client = self;
  (void)error;
  if (client != NULL) client->pcb = NULL;
}

static err_t note_sent(void *self, struct altcp_pcb *pcb, u16_t bytes) {
  struct client *client = self;
  (void)pcb;
  (void)bytes;
  if (client != NULL && client->phase == SENDING) client->active_ms = clients->now_ms;
  return ERR_OK;
}

// Being there is what counts: altcp_tls tries again what it could not do before it calls this.
static err_t note_poll(void *self, struct altcp_pcb *pcb) {
  (void)self;
  (void)pcb;
  return ERR_OK;
}

static void write_address(struct altcp_pcb *pcb, uint8_t out[HTTP_CLIENT_BYTES]) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const ip_addr_t *address = altcp_get_ip(pcb, 0);
  memset(out, 0, HTTP_CLIENT_BYTES);
  if (address == NULL) return;
  if (IP_IS_V6(address)) {
    memcpy(out, ip_2_ip6(address)->addr, HTTP_CLIENT_BYTES);
  } else {
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + sizeof mapped, &ip_2_ip4(address)->addr, sizeof ip_2_ip4(address)->addr);
  }
}

// While nothing is asked for: lwIP gives the connections of strangers away when it has no more.
static u8_t idle_priority(const struct client *client) {
  return access_knows(&clients->api->access, client->address) ? TCP_PRIO_NORMAL : TCP_PRIO_MIN;
}

// A place for a client from there: a free one, or that of somebody who waits without a request, first of the same
// address when that has its share already.
static struct client *find_place(const uint8_t *address) {
  struct client *empty = NULL, *own = NULL, *any = NULL;
  bool is_any_known = false;
  size_t count = 0;
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    struct client *client = &clients->all[i];
    if (client->phase == FREE) {
      empty = client;
      continue;
    }
    const bool is_own = memcmp(client->address, address, HTTP_CLIENT_BYTES) == 0;
    if (is_own) count++;
    if (client->phase != READING && client->phase != LINGERING) continue;
    if (is_own && (own == NULL || client->since_ms < own->since_ms)) own = client;
    const bool is_known = access_knows(&clients->api->access, client->address);
    if (any == NULL || (is_any_known && !is_known) || (is_any_known == is_known && client->since_ms < any->since_ms)) {
      any = client;
      is_any_known = is_known;
    }
  }
  if (count >= CLIENTS_PER_ADDRESS) {
    if (own != NULL) cut(own);
    return own;
  }
  if (empty != NULL) return empty;
  if (any != NULL) cut(any);
  return any;
}

static err_t accept_client(void *self, struct altcp_pcb *pcb, err_t error) {
  uint8_t address[HTTP_CLIENT_BYTES];
  if (error != ERR_OK || pcb == NULL) return ERR_VAL;
  write_address(pcb, address);
  struct client *client = find_place(address);
  if (client == NULL) return ERR_MEM;
  client->pcb = pcb;
  client->is_secure = self != NULL;
  memcpy(client->address, address, sizeof address);
  client->is_ended = client->is_closing = false;
  client->head_bytes = client->sent = 0;
  client->body_left = 0;
  base_buffer_init(&client->reply, EXCHANGE_REPLY_BYTES);
  enter(client, READING);
  altcp_arg(pcb, client);
  altcp_recv(pcb, note_bytes);
  altcp_err(pcb, note_end);
  altcp_sent(pcb, note_sent);
  altcp_poll(pcb, note_poll, 1);
  altcp_setprio(pcb, idle_priority(client));
  altcp_nagle_disable(pcb);
  return ERR_OK;
}

// Replies.

static void send_some(struct client *client) {
  while (client->sent < client->reply.bytes) {
    const size_t left = client->reply.bytes - client->sent;
    const u16_t piece = (u16_t)(left < WRITE_BYTES ? left : WRITE_BYTES);
    if (altcp_sndbuf(client->pcb) < piece) break;
    if (altcp_write(client->pcb, client->reply.data + client->sent, piece, TCP_WRITE_FLAG_COPY) != ERR_OK) break;
    client->sent += piece;
    client->active_ms = clients->now_ms;
  }
  altcp_output(client->pcb);
  if (client->sent < client->reply.bytes) return;
  base_buffer_finish(&client->reply);
  base_buffer_init(&client->reply, EXCHANGE_REPLY_BYTES);
  client->sent = 0;
  altcp_setprio(client->pcb, idle_priority(client));
  enter(client, client->is_closing ? LINGERING : READING);
}

static void begin_reply(struct client *client, struct http_reply *reply, bool is_closing) {
  client->is_closing = is_closing;
  if (exchange_write_reply(reply, is_closing, &client->reply) != BASE_OK) {
    cut(client);
    return;
  }
  altcp_setprio(client->pcb, TCP_PRIO_NORMAL);
  enter(client, SENDING);
  send_some(client);
}

static void begin_problem(struct client *client, const struct base_fault *fault) {
  struct http_reply reply;
  http_problem_reply(&reply, fault, NULL);
  begin_reply(client, &reply, true);
}

// Requests.

static void begin_upload(struct client *client, const struct http_request *request, size_t head_bytes) {
  static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
  struct base_fault fault = {0};
  const struct http_header *expect = http_request_header(request, "Expect");
  if (api_begin_upload(clients->api, request, &fault) != BASE_OK) {
    begin_problem(client, &fault);
    return;
  }
  client->is_closing = !request->keep_alive;
  client->body_left = request->content_length;
  const size_t early = base_span_slice(base_span_of(client->head, client->head_bytes), head_bytes,
                                       (size_t)-1 < client->body_left ? (size_t)-1 : (size_t)client->body_left)
                           .bytes;
  // The ring is empty: what came with the head finds room.
  size_t put = install_put(clients->api->install, base_span_of(client->head + head_bytes, early));
  BASE_ASSERT(put == early);
  client->body_left -= early;
  client->head_bytes = 0;
  altcp_setprio(client->pcb, TCP_PRIO_MAX);
  enter(client, UPLOADING);
  if (early == 0 && expect != NULL && base_span_is_nocase(expect->value, "100-continue")) {
    (void)altcp_write(client->pcb, go_on, sizeof go_on - 1, TCP_WRITE_FLAG_COPY);
    altcp_output(client->pcb);
  }
}

static void answer(struct client *client, struct http_request *request, size_t head_bytes) {
  struct base_fault fault = {0};
  struct http_reply reply;
  memcpy(request->client, client->address, sizeof request->client);
  request->is_secure = client->is_secure;
  if (client->is_secure && api_is_upload(request)) {
    begin_upload(client, request, head_bytes);
    return;
  }
  if (request->is_chunked || request->content_length > API_MAX_BODY) {
    (void)BASE_FAIL(&fault, request->is_chunked ? BASE_LENGTH_REQUIRED : BASE_TOO_LARGE, "Content-Length",
                    "a body of at most %d bytes is wanted here", API_MAX_BODY);
    begin_problem(client, &fault);
    return;
  }
  const size_t body_bytes = (size_t)request->content_length;
  if (client->head_bytes - head_bytes < body_bytes) {
    if (client->head_bytes == sizeof client->head) {
      (void)BASE_FAIL(&fault, BASE_HEADERS_TOO_LARGE, "", "the request is too large");
      begin_problem(client, &fault);
    }
    return;  // until it has come
  }
  if (client->is_secure) {
    api_answer(clients->api, request, base_span_of(client->head + head_bytes, body_bytes), &reply);
  } else {
    exchange_redirect(request, &reply);
  }
  if (request->method == HTTP_HEAD) http_reply_keep_length(&reply);
  const bool is_closing = !request->keep_alive || reply.close || clients->api->wants_reboot;
  const size_t used = head_bytes + body_bytes;
  memmove(client->head, client->head + used, client->head_bytes - used);
  client->head_bytes -= used;
  begin_reply(client, &reply, is_closing);
}

// Moves what waits into the head.
static void take_head(struct client *client) {
  while (client->waiting != NULL && client->head_bytes < sizeof client->head) {
    const size_t room = sizeof client->head - client->head_bytes;
    const u16_t taken = (u16_t)(client->waiting->tot_len < room ? client->waiting->tot_len : room);
    pbuf_copy_partial(client->waiting, client->head + client->head_bytes, taken, 0);
    client->head_bytes += taken;
    client->waiting = pbuf_free_header(client->waiting, taken);
    altcp_recved(client->pcb, taken);
  }
}

static void read_request(struct client *client) {
  struct http_request request;
  struct base_fault fault = {0};
  size_t head_bytes;
  take_head(client);
  if (client->head_bytes == 0) return;
  switch (http_parse_request(base_span_of(client->head, client->head_bytes), &request, &head_bytes, &fault)) {
    case HTTP_PARSE_DONE:
      answer(client, &request, head_bytes);
      return;
    case HTTP_PARSE_FAILED:
      begin_problem(client, &fault);
      return;
    case HTTP_PARSE_MORE:
      break;
  }
  if (client->head_bytes < sizeof client->head) return;
  (void)BASE_FAIL(&fault, BASE_HEADERS_TOO_LARGE, "", "the request is too large");
  begin_problem(client, &fault);
}

static void read_upload(struct client *client) {
  struct install *install = clients->api->install;
  u16_t taken = 0;
  for (const struct pbuf *piece = client->waiting; piece != NULL && client->body_left > 0; piece = piece->next) {
    const size_t bytes = piece->len < client->body_left ? piece->len : (size_t)client->body_left;
    const size_t put = install_put(install, base_span_of(piece->payload, bytes));
    taken = (u16_t)(taken + put);
    client->body_left -= put;
    if (put < bytes) break;
  }
  if (taken > 0) {
    client->waiting = pbuf_free_header(client->waiting, taken);
    altcp_recved(client->pcb, taken);
    client->active_ms = clients->now_ms;
  }
  // A slow disk is not the client's fault.
  if (install_room(install) == 0) client->active_ms = clients->now_ms;
  if (client->body_left == 0) {
    install_end(install, true);
    enter(client, CHECKING);
  } else if (!install_is_busy(install)) {
    // Refused in the midst: the rest is not wanted.
    struct http_reply reply;
    api_upload_reply(clients->api, &reply);
    begin_reply(client, &reply, true);
  } else if (client->is_ended && client->waiting == NULL) {
    close_client(client);
  }
}

static void discard(struct client *client) {
  if (client->waiting == NULL) return;
  altcp_recved(client->pcb, client->waiting->tot_len);
  pbuf_free(client->waiting);
  client->waiting = NULL;
  client->active_ms = clients->now_ms;
}

// Silence and floods.
static bool is_over(const struct client *client) {
  const uint64_t in_phase_ms = clients->now_ms - client->since_ms;
  const uint64_t silent_ms = clients->now_ms - client->active_ms;
  const unsigned pbufs = client->waiting != NULL ? pbuf_clen(client->waiting) : 0;
  switch (client->phase) {
    case READING:
      return in_phase_ms > CLIENTS_REQUEST_MS;
    case UPLOADING:
      return silent_ms > CLIENTS_UPLOAD_SILENCE_MS || pbufs > UPLOAD_PBUFS;
    case SENDING:
      return silent_ms > CLIENTS_REPLY_SILENCE_MS || pbufs > CLIENTS_WAITING_PBUFS;
    case LINGERING:
      return silent_ms > CLIENTS_LINGER_MS || in_phase_ms > CLIENTS_MAX_LINGER_MS || client->is_ended;
    case CHECKING:
      return pbufs > CLIENTS_WAITING_PBUFS;
    case FREE:
      break;
  }
  return false;
}

static void step(struct client *client) {
  struct http_reply reply;
  if (client->pcb == NULL) {
    free_client(client);
    return;
  }
  switch (client->phase) {
    case READING:
      read_request(client);
      if (client->phase == READING && client->is_ended) close_client(client);
      break;
    case UPLOADING:
      read_upload(client);
      break;
    case CHECKING:
      if (install_is_busy(clients->api->install)) break;
      api_upload_reply(clients->api, &reply);
      begin_reply(client, &reply, client->is_closing);
      break;
    case SENDING:
      send_some(client);
      break;
    case LINGERING:
      discard(client);
      break;
    case FREE:
      return;
  }
  if (client->phase != FREE && client->pcb != NULL && is_over(client)) close_client(client);
}

void clients_step(struct clients *self) {
  self->now_ms = base_clock_ms(self->api->clock);
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    if (self->all[i].phase != FREE) step(&self->all[i]);
  }
}

static enum base_result listen_on(struct altcp_pcb *pcb, u16_t port, void *self, struct base_fault *fault) {
  if (pcb == NULL || altcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK)
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "port %u can not be bound", port);
  pcb = altcp_listen_with_backlog(pcb, BACKLOG);
  if (pcb == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "port %u can not be listened on", port);
  altcp_arg(pcb, self);
  altcp_accept(pcb, accept_client);
  return BASE_OK;
}

enum base_result clients_create(struct api *api, struct altcp_tls_config *tls, struct clients **out,
                                struct base_fault *fault) {
  clients = calloc(1, sizeof *clients);
  if (clients == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for clients");
  clients->api = api;
  clients->now_ms = base_clock_ms(api->clock);
  enum base_result result = listen_on(altcp_tcp_new_ip_type(IPADDR_TYPE_ANY), 80, NULL, fault);
  if (result == BASE_OK) result = listen_on(altcp_tls_new(tls, IPADDR_TYPE_ANY), 443, clients, fault);
  *out = clients;
  return result;
}
