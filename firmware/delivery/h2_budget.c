#include "h2_budget.h"

void delivery_h2_budget_init(struct h2_budget *budget, uint32_t burst, uint32_t per_s, uint64_t now_ms) {
  *budget = (struct h2_budget){.burst = burst, .per_s = per_s, .tokens = burst, .filled_ms = now_ms};
}

static void refill(struct h2_budget *budget, uint64_t now_ms) {
  uint64_t passed_ms = now_ms - budget->filled_ms;
  uint64_t full_ms = UINT64_C(1000) * budget->burst / budget->per_s + 1;
  if (passed_ms > full_ms) passed_ms = full_ms;  // keeps the product small
  uint64_t tokens = passed_ms * budget->per_s / 1000;
  if (tokens == 0) return;
  budget->filled_ms = now_ms;
  delivery_h2_budget_earn(budget, (uint32_t)tokens);
}

bool delivery_h2_budget_spend(struct h2_budget *budget, uint64_t now_ms) {
  if (budget->tokens < budget->burst) refill(budget, now_ms);
  if (budget->tokens == 0) return false;
  if (budget->tokens == budget->burst) budget->filled_ms = now_ms;
  budget->tokens--;
  return true;
}

void delivery_h2_budget_earn(struct h2_budget *budget, uint32_t tokens) {
  uint32_t room = budget->burst - budget->tokens;
  budget->tokens += tokens < room ? tokens : room;
}
