#include "queue.h"

#include <stdlib.h>

#include "landing.h"

// The order of one flight.
struct errand {
  struct pop_flight *flight;
  struct recipe_order order;
  struct recipe_product product;
};

static void land_abandoned(struct pop_flight *flight) {
  struct base_fault fault = {0};
  (void)BASE_FAIL(&fault, BASE_CANCELLED, "", "the client went away");
  pop_land_with_fault(&flight, &fault);
}

// --- the renderer ---

static void arrive(void *self, struct recipe_order *order) {
  struct errand *errand = self;
  struct pop *pop = errand->flight->pop;
  // What waits comes before what landing begins, which is in no hurry, and before the disk.
  pop_crowd_end_turn(&pop->crowd, errand->flight);
  pop_queue_hand_over(pop);
  pop_land_with_product(&errand->flight, &errand->product, &order->trace);
  free(errand);
}

static bool is_abandoned(void *self) {
  const struct errand *errand = self;
  return pop_flights_abandon(&errand->flight->pop->flights, errand->flight);
}

static struct errand *create_errand(struct pop_flight *flight) {
  struct errand *errand = calloc(1, sizeof *errand);
  if (!errand) return NULL;
  errand->flight = flight;
  errand->order = (struct recipe_order){
      .original = flight->course.original->id,
      .header = flight->course.original->header,
      .count = 1,
      .recipes = &flight->course.recipe,
      .products = &errand->product,
      .request_id = flight->request_id,
      .trace = flight->trace,
      .is_cancelled = is_abandoned,
      .done = arrive,
      .self = errand,
  };
  base_trace_end(&errand->order.trace, flight->wait_span);
  return errand;
}

// BASE_OK: the flight is the renderer's.
static enum base_result submit(struct pop_flight *flight, struct base_fault *fault) {
  const struct recipe_renderer *renderer = &flight->pop->renderer;
  struct errand *errand = create_errand(flight);
  if (!errand) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an order");
  struct base_fault cause = {0};
  const enum base_result result = renderer->submit(renderer->self, &errand->order, &cause);
  if (result == BASE_OK) return BASE_OK;
  free(errand);
  return BASE_FAIL(fault, result, "", "the renderer took no more orders");
}

// --- turns ---

static void refuse_turn(struct pop_flight *flight, const struct base_fault *fault) {
  pop_crowd_end_turn(&flight->pop->crowd, flight);
  pop_land_with_fault(&flight, fault);
}

// False when turns have ended.
static bool send_one(struct pop *pop, struct pop_flight *flight) {
  struct base_fault fault = {0};
  if (pop_flights_abandon(&pop->flights, flight)) {
    pop_crowd_end_turn(&pop->crowd, flight);
    land_abandoned(flight);
    return true;
  }
  if (pop_sending_check(&pop->sending, NULL, &fault) != BASE_OK) {
    refuse_turn(flight, &fault);
    return true;
  }
  const enum base_result result = submit(flight, &fault);
  if (result == BASE_OK) return true;
  if (result != BASE_BUSY) {
    refuse_turn(flight, &fault);
    return true;
  }
  switch (pop_crowd_put_back(&pop->crowd, flight)) {
    case POP_TURN_OVER:
      return false;
    case POP_TURN_NEVER:
      pop_land_with_fault(&flight, &fault);
      return true;
    case POP_TURN_AGAIN:
      break;
  }
  return true;
}

void pop_queue_hand_over(struct pop *pop) {
  struct pop_flight *flight;
  if (!pop_crowd_begin_turns(&pop->crowd)) return;
  do {
    flight = pop_crowd_take_turn(&pop->crowd);
  } while (flight && send_one(pop, flight));
}

// --- coming ---

// Lets those go whose clients are gone: they would only be found when their turn comes.
static void sweep(struct pop *pop) {
  struct pop_flight *flight = pop_crowd_take_lines(&pop->crowd, false), *there = NULL;
  while (flight) {
    struct pop_flight *next = flight->next_in_line;
    if (pop_flights_abandon(&pop->flights, flight)) {
      pop_crowd_drop(&pop->crowd, flight);
      land_abandoned(flight);
    } else {
      flight->next_in_line = there;
      there = flight;
    }
    flight = next;
  }
  while (there) {
    struct pop_flight *next = there->next_in_line;
    pop_crowd_return(&pop->crowd, there);
    there = next;
  }
}

void pop_queue_add(struct pop *pop, struct pop_flight *flight) {
  struct base_fault first = {0}, fault = {0};
  flight->wait_span = base_trace_begin(&flight->trace, "wait");
  if (pop_flights_queue(&pop->flights, flight, false, &first) != BASE_OK) {
    sweep(pop);
    if (pop_flights_queue(&pop->flights, flight, true, &fault) != BASE_OK) pop_land_with_fault(&flight, &fault);
  }
  pop_queue_hand_over(pop);  // also what had its turn while it was taken out of its line
}

// --- others, and the end ---

void pop_queue_begin_order(struct pop *pop) { pop_crowd_begin_order(&pop->crowd); }

void pop_queue_end_order(struct pop *pop) {
  pop_crowd_end_order(&pop->crowd);
  pop_queue_hand_over(pop);
}

void pop_queue_close(struct pop *pop) {
  struct pop_flight *flight = pop_crowd_take_lines(&pop->crowd, true);
  while (flight) {
    struct pop_flight *next = flight->next_in_line;
    struct base_fault fault = {0};
    (void)BASE_FAIL(&fault, BASE_BUSY, "", "the box is being stopped; try again in a moment");
    pop_crowd_drop(&pop->crowd, flight);
    pop_land_with_fault(&flight, &fault);
    flight = next;
  }
}
