#include "clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct client {
  struct client *next;  // in its bucket
  uint64_t network;     // IPv4 address or IPv6 /64 prefix
  bool is_v4;
  uint32_t connections;
  struct handshake_share shares[];  // one for each loop
};

struct clients {
  pthread_mutex_t mutex;
  uint32_t limit;
  unsigned loops;
  uint64_t seed;  // keeps clients from choosing addresses that share a bucket
  uint64_t bucket_mask;
  struct client *buckets[];
};

struct clients *delivery_clients_create(uint32_t limit, uint32_t expected, unsigned loops) {
  size_t buckets = 1;
  while (buckets < expected) buckets *= 2;
  struct clients *clients = calloc(1, sizeof *clients + buckets * sizeof clients->buckets[0]);
  if (!clients) return NULL;
  pthread_mutex_init(&clients->mutex, NULL);
  clients->limit = limit;
  clients->loops = loops;
  clients->bucket_mask = buckets - 1;
  base_random_bytes(&clients->seed, sizeof clients->seed);
  return clients;
}

void delivery_clients_destroy(struct clients **clients) {
  if (!*clients) return;
  for (uint64_t i = 0; i <= (*clients)->bucket_mask; i++) BASE_ASSERT(!(*clients)->buckets[i]);
  pthread_mutex_destroy(&(*clients)->mutex);
  free(*clients);
  *clients = NULL;
}

static void identify(const struct sockaddr_storage *address, uint64_t *network, bool *is_v4) {
  *is_v4 = address->ss_family == AF_INET;
  *network = 0;
  if (*is_v4) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    *network = v4->sin_addr.s_addr;
  } else if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    *is_v4 = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
    const uint8_t *bytes = v6->sin6_addr.s6_addr;
    if (*is_v4) {
      uint32_t mapped;
      memcpy(&mapped, bytes + 12, sizeof mapped);
      *network = mapped;
    } else {
      memcpy(network, bytes, sizeof *network);
    }
  }
}

// MurmurHash3's 64-bit finaliser around the seed.
static struct client **bucket_of(struct clients *clients, uint64_t network) {
  uint64_t hash = network ^ clients->seed;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
  hash = (hash ^ (hash >> 33) ^ clients->seed) * 0xc4ceb9fe1a85ec53U;
  return &clients->buckets[(hash ^ (hash >> 33)) & clients->bucket_mask];
}

struct client *delivery_clients_enter(struct clients *clients, const struct sockaddr_storage *address) {
  uint64_t network;
  bool is_v4;
  identify(address, &network, &is_v4);
  pthread_mutex_lock(&clients->mutex);
  struct client **bucket = bucket_of(clients, network);
  struct client *client = *bucket;
  while (client && (client->network != network || client->is_v4 != is_v4)) client = client->next;
  if (!client && (client = calloc(1, sizeof *client + clients->loops * sizeof client->shares[0]))) {
    client->next = *bucket;
    client->network = network;
    client->is_v4 = is_v4;
    *bucket = client;
  }
  if (client && client->connections >= clients->limit) {
    client = NULL;
  } else if (client) {
    client->connections++;
  }
  pthread_mutex_unlock(&clients->mutex);
  return client;
}

struct handshake_share *delivery_clients_share(struct client *client, unsigned loop) {
  return &client->shares[loop];
}

void delivery_clients_leave(struct clients *clients, struct client **client) {
  struct client *leaving = *client;
  if (!leaving) return;
  *client = NULL;
  pthread_mutex_lock(&clients->mutex);
  if (--leaving->connections == 0) {
    struct client **link = bucket_of(clients, leaving->network);
    while (*link != leaving) link = &(*link)->next;
    *link = leaving->next;
    free(leaving);
  }
  pthread_mutex_unlock(&clients->mutex);
}
