#include "gate_clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct gate_client {
  struct gate_client *next;  // in its bucket
  struct in6_addr address;   // IPv4 as ::ffff:a.b.c.d, IPv6 as its /64
  uint32_t connections;
};

struct gate_clients {
  pthread_mutex_t lock;
  uint32_t limit;
  uint64_t seed;  // keeps clients from choosing addresses that share a bucket
  size_t bucket_mask;
  struct gate_client *buckets[];
};

struct gate_clients *console_gate_clients_create(uint32_t limit, uint32_t expected) {
  size_t buckets = 16;
  while (buckets < expected) buckets *= 2;
  struct gate_clients *clients = calloc(1, sizeof *clients + buckets * sizeof clients->buckets[0]);
  if (!clients) return NULL;
  pthread_mutex_init(&clients->lock, NULL);
  clients->limit = limit;
  clients->bucket_mask = buckets - 1;
  base_random_bytes(&clients->seed, sizeof clients->seed);
  return clients;
}

void console_gate_clients_destroy(struct gate_clients **clients) {
  if (!*clients) return;
  for (size_t i = 0; i <= (*clients)->bucket_mask; i++) BASE_ASSERT(!(*clients)->buckets[i]);
  pthread_mutex_destroy(&(*clients)->lock);
  free(*clients);
  *clients = NULL;
}

static struct in6_addr identify(const struct sockaddr_storage *address) {
  struct in6_addr client = {0};
  if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    client = in6->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&client)) memset(&client.s6_addr[8], 0, 8);
  } else if (address->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    memset(&client.s6_addr[10], 0xff, 2);
    memcpy(&client.s6_addr[12], &in->sin_addr, sizeof in->sin_addr);
  }
  return client;
}

// MurmurHash3's 64-bit finaliser around the seed.
static struct gate_client **bucket_of(struct gate_clients *clients, const struct in6_addr *address) {
  uint64_t halves[2];
  memcpy(halves, address, sizeof halves);
  uint64_t hash = halves[0] ^ clients->seed;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
  hash = (hash ^ (hash >> 33) ^ halves[1]) * 0xc4ceb9fe1a85ec53U;
  return &clients->buckets[(hash ^ (hash >> 33)) & clients->bucket_mask];
}

struct gate_client *console_gate_clients_enter(struct gate_clients *clients, const struct sockaddr_storage *address) {
  const struct in6_addr wanted = identify(address);
  pthread_mutex_lock(&clients->lock);
  struct gate_client **bucket = bucket_of(clients, &wanted);
  struct gate_client *client = *bucket;
  while (client && memcmp(&client->address, &wanted, sizeof wanted) != 0) client = client->next;
  if (!client && (client = malloc(sizeof *client))) {
    *client = (struct gate_client){.next = *bucket, .address = wanted};
    *bucket = client;
  }
  if (client && client->connections >= clients->limit) {
    client = NULL;
  } else if (client) {
    client->connections++;
  }
  pthread_mutex_unlock(&clients->lock);
  return client;
}

void console_gate_clients_leave(struct gate_clients *clients, struct gate_client **client) {
  struct gate_client *leaving = *client;
  if (!leaving) return;
  *client = NULL;
  pthread_mutex_lock(&clients->lock);
  if (--leaving->connections == 0) {
    struct gate_client **link = bucket_of(clients, &leaving->address);
    while (*link != leaving) link = &(*link)->next;
    *link = leaving->next;
    free(leaving);
  }
  pthread_mutex_unlock(&clients->lock);
}
