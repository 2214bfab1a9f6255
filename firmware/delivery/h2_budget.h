// How much of what costs us and brings nothing an HTTP/2 client may do: a token bucket.
#ifndef DELIVERY_H2_BUDGET_H
#define DELIVERY_H2_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct h2_budget {
  uint32_t burst;  // tokens at the start, and at most
  uint32_t per_s;
  uint32_t tokens;
  uint64_t filled_ms;
};

void delivery_h2_budget_init(struct h2_budget *budget, uint32_t burst, uint32_t per_s, uint64_t now_ms);
// Takes a token; false when there is none.
bool delivery_h2_budget_spend(struct h2_budget *budget, uint64_t now_ms);
// Gives tokens back, for what brought something after all.
void delivery_h2_budget_earn(struct h2_budget *budget, uint32_t tokens);

#endif
